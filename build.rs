//! Puts the revision that is built into the program, so that rows say which code measured them.

use std::process::Command;

fn main() {
    let revision = Command::new("git")
        .args(["describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"])
        .output()
        .ok()
        .filter(|output| output.status.success())
        .and_then(|output| String::from_utf8(output.stdout).ok())
        .map_or_else(|| "unknown".to_owned(), |text| text.trim().to_owned());
    println!("cargo::rustc-env=SAMEBITS_REVISION={revision}");
    for path in [".git/HEAD", ".git/index", "src", "kernels", "scripts", "benches", "Cargo.toml", "build.rs"]
    {
        if std::path::Path::new(path).exists() {
            println!("cargo::rerun-if-changed={path}");
        }
    }
}
