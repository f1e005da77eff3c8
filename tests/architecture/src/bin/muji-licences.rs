//! Prints the licences and notices of all that a package of the workspace is built of, for those who get it as a program:
//! `muji-licences PACKAGE FEATURES`.
#![forbid(unsafe_code)]

use std::path::Path;
use std::process::ExitCode;

use muji_architecture::licences;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [package, features] = arguments.as_slice() else {
        eprintln!("usage: muji-licences PACKAGE FEATURES");
        return ExitCode::from(2);
    };
    match licences::parts(Path::new(env!("CARGO_MANIFEST_DIR")), package, features) {
        Ok(parts) => {
            print!("{}", licences::report(package, &parts));
            ExitCode::SUCCESS
        }
        Err(why) => {
            eprintln!("{why}");
            ExitCode::FAILURE
        }
    }
}
