//! Builds what stands between us and libvpx, with the headers of the libvpx that is installed.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-env-changed=DOCS_RS");
    // What builds documentation need not have libvpx, and links nothing.
    #[cfg(feature = "vp8")]
    if std::env::var_os("DOCS_RS").is_none() {
        libvpx();
    }
}

/// What Debian 11 has; nothing older was tried.
#[cfg(feature = "vp8")]
const OLDEST: &str = "1.9";

#[cfg(feature = "vp8")]
fn libvpx() {
    println!("cargo:rerun-if-changed=src/codec/libvpx.c");
    let mut installed = pkg_config::Config::new();
    installed.atleast_version(OLDEST);
    let libvpx = installed.cargo_metadata(false).probe("vpx").unwrap_or_else(|why| {
        panic!("the feature vp8 needs libvpx and its headers (libvpx-dev), and pkg-config, which finds them: {why}")
    });
    // A folder changes when another version is unpacked into it; the files in it may be older than our last build.
    for folder in &libvpx.include_paths {
        println!("cargo:rerun-if-changed={}", folder.join("vpx").display());
    }
    cc::Build::new()
        .file("src/codec/libvpx.c")
        .std("c11")
        .includes(libvpx.include_paths)
        .extra_warnings(true)
        .compile("muji_vpx");
    // Behind what calls it: some linkers leave out a library that nothing before it needs.
    installed.cargo_metadata(true).probe("vpx").expect("it was just found");
}
