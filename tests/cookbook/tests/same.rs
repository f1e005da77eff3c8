//! What of the documents stands elsewhere too, where it is run.

use std::fs;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn read(file: &str) -> String {
    fs::read_to_string(root().join(file)).unwrap_or_else(|why| panic!("{file}: {why}"))
}

/// The pieces of code in this language.
fn code<'a>(document: &'a str, language: &str) -> Vec<&'a str> {
    let fence = format!("```{language}\n");
    let pieces = document.split(fence.as_str()).skip(1);
    pieces.map(|piece| piece.split_once("```").expect("it is closed").0).collect()
}

#[test]
fn the_recipes_in_other_languages_are_parts_of_clients_that_hold_calls() {
    let cookbook = read("docs/cookbook.md");
    for (language, clients) in
        [("python", &["python/examples/bot.py", "python/examples/nbxmpp_bot.py"][..]), ("c", &["examples/c/call.c"])]
    {
        let recipes = code(&cookbook, language);
        assert_eq!(recipes.len(), clients.len());
        for (recipe, client) in recipes.iter().zip(clients) {
            assert!(read(client).contains(recipe), "{client} says it in other words than:\n{recipe}");
        }
    }
}

#[test]
fn the_loop_of_the_readme_is_that_of_the_front_page() {
    let (readme, front_page) = (read("README.md"), read("muji-core/src/lib.rs"));
    let of_readme = code(&readme, "rust");
    assert_eq!(of_readme.len(), 1);
    let line = |line: &str| if line.is_empty() { "//!\n".to_owned() } else { format!("//! {line}\n") };
    let documented: String = of_readme[0].lines().map(line).collect();
    assert!(front_page.contains(&documented), "the front page of muji-core has another loop than README.md");
}

#[test]
fn each_recipe_can_be_found_in_the_table_of_contents() {
    let cookbook = read("docs/cookbook.md");
    for title in cookbook.lines().filter_map(|line| line.strip_prefix("## ")) {
        let anchor = format!("(#{})", title.to_lowercase().replace(' ', "-"));
        assert!(cookbook.contains(&anchor), "{title} is not linked as {anchor}");
    }
}
