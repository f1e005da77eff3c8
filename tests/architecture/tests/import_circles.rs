//! No file uses a file that uses it, directly or by way of others: so each can be read after those below it.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use muji_architecture::imports::{Imports, crate_of};
use muji_architecture::source::{Crate, Crates};

/// The library crates, lowest first.
const FOLDERS: [&str; 4] = ["xep", "muji-jingle", "muji-core", "muji-media"];

/// By crate, by file, by the file that it may use though that makes a circle: the reason.
type Allowed = BTreeMap<String, BTreeMap<String, BTreeMap<String, String>>>;

fn crates() -> Crates {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    FOLDERS.map(|folder| Crate::read(&root.join(folder))).map(|krate| (krate.name.clone(), krate)).into()
}

#[test]
fn no_file_uses_a_file_that_uses_it() {
    let (crates, mut wrong) = (crates(), Vec::new());
    let list = Path::new(env!("CARGO_MANIFEST_DIR")).join("import_circles.toml");
    let list = fs::read_to_string(list).expect("the list is there");
    let allowed: Allowed = toml::from_str(&list).expect("a table for each crate");
    for name in crates.keys() {
        let allowed = allowed.get(name).into_iter().flatten();
        let allowed: Vec<(&str, &str)> =
            allowed.flat_map(|(file, others)| others.keys().map(|other| (file.as_str(), other.as_str()))).collect();
        wrong.extend(check(&Imports::of(&crates, name), &allowed).map(|why| format!("{name}:\n{why}")));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What is wrong, if something is: a circle that is not allowed, or an allowance that makes no circle.
fn check(imports: &Imports, allowed: &[(&str, &str)]) -> Option<String> {
    let without = |left_out: &[(&str, &str)]| {
        left_out.iter().try_fold(imports.clone(), |imports, (file, other)| {
            imports
                .without(file, other)
                .ok_or_else(|| format!("  import_circles.toml allows what is not there any more: {file} uses {other}"))
        })
    };
    let left = match without(allowed) {
        Ok(imports) => imports,
        Err(why) => return Some(why),
    };
    let circles = left.circles();
    if !circles.is_empty() {
        return Some(format!("{}  move what both need into a file below both", circles.join("  and\n")));
    }
    allowed.iter().enumerate().find_map(|(index, (file, other))| {
        let others = [&allowed[..index], &allowed[index + 1..]].concat();
        let needless = without(&others).is_ok_and(|imports| imports.circles().is_empty());
        needless.then(|| format!("  import_circles.toml allows what makes no circle: {file} uses {other}"))
    })
}

fn circle(files: &[(&str, &str)]) -> Option<String> {
    Imports::of(&crate_of("made", files), "made").circles().into_iter().next()
}

const ROOT: (&str, &str) = ("lib.rs", "mod a; mod b; pub use a::A;");

#[test]
fn a_circle_of_two_files_is_found_with_the_names_that_tie_it() {
    let found = circle(&[ROOT, ("a.rs", "use crate::b::B; pub struct A;"), ("b.rs", "use super::a::A; pub struct B;")]);
    assert_eq!(found.as_deref(), Some("  a.rs uses b.rs: B\n  b.rs uses a.rs: A\n"));
}

#[test]
fn a_re_export_is_followed_to_the_file_that_defines_the_name() {
    let used = ("b.rs", "use crate::A; pub struct B;");
    assert_eq!(circle(&[ROOT, ("a.rs", "pub struct A;"), used]), None);
    assert!(circle(&[ROOT, ("a.rs", "use crate::b; pub struct A;"), used]).is_some());
}

#[test]
fn a_circle_of_parent_and_child_is_found() {
    let child = |text| [("lib.rs", "mod a;"), ("a/mod.rs", "mod b; use b::B; pub struct A;"), ("a/b.rs", text)];
    let found = circle(&child("use super::A; pub struct B;"));
    assert_eq!(found.as_deref(), Some("  a/b.rs uses a/mod.rs: A\n  a/mod.rs uses a/b.rs: B\n"));
    assert_eq!(circle(&child("pub struct B;")), None);
}

#[test]
fn methods_of_a_type_in_another_file_than_its_own_make_a_circle() {
    let found = circle(&[ROOT, ("a.rs", "pub struct A;"), ("b.rs", "use crate::a::A; impl A { fn b() {} }")]);
    assert_eq!(found.as_deref(), Some("  a.rs uses b.rs: the methods of A\n  b.rs uses a.rs: A\n"));
    assert_eq!(
        circle(&[ROOT, ("a.rs", "pub struct A;"), ("b.rs", "use crate::a::A; impl Clone for A {}")]),
        None,
        "a trait's methods are the trait's"
    );
}

#[test]
fn a_path_in_the_code_or_in_a_macro_counts_as_a_use() {
    let b = ("b.rs", "pub fn b() {} pub fn f() { crate::a::a() }");
    assert!(circle(&[ROOT, ("a.rs", "pub struct A; pub fn a() { super::b::b() }"), b]).is_some());
    assert!(circle(&[ROOT, ("a.rs", "pub struct A; pub fn a() { assert!(x(crate::b::b())) }"), b]).is_some());
    assert!(circle(&[ROOT, ("a.rs", "pub struct A; pub fn a() { other::b() }"), b]).is_none());
}

#[test]
fn the_circle_that_is_told_is_a_shortest_one() {
    let files = [
        ("lib.rs", "mod a; mod b; mod c; mod d;"),
        ("a.rs", "use crate::b::B; pub struct A;"),
        ("b.rs", "use crate::c::C; pub struct B;"),
        ("c.rs", "use crate::a::A; use crate::d::D; pub struct C;"),
        ("d.rs", "use crate::c::C; pub struct D;"),
    ];
    assert_eq!(circle(&files).as_deref(), Some("  c.rs uses d.rs: D\n  d.rs uses c.rs: C\n"));
    assert_eq!(circle(&files[..4]).map(|told| told.lines().count()), Some(3));
}

#[test]
fn what_is_allowed_is_needed_and_there() {
    let mut imports = Imports::default();
    imports.note("a.rs", "b.rs", "B");
    imports.note("b.rs", "a.rs", "A");
    imports.note("c.rs", "a.rs", "A");
    assert!(check(&imports, &[]).is_some_and(|why| why.contains("a.rs uses b.rs: B")));
    assert_eq!(check(&imports, &[("a.rs", "b.rs")]), None);
    assert!(
        check(&imports, &[("a.rs", "b.rs"), ("c.rs", "a.rs")]).is_some_and(|why| why.contains("makes no circle: c.rs"))
    );
    assert!(
        check(&imports, &[("a.rs", "b.rs"), ("c.rs", "b.rs")])
            .is_some_and(|why| why.contains("not there any more: c.rs"))
    );
}
