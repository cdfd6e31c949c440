//! Whether the committed PTX was made from the committed sources, with the pinned compiler, and
//! without a trace of the machine that made it.

use std::collections::BTreeSet;
use std::fmt::Write;

use sha2::{Digest, Sha256};

use samebits::device::plan::{HEADERS, MODULES};

use crate::{files, root, stem};

/// The value of a line `// key: value` in the head of a PTX.
fn of_head<'a>(ptx: &'a str, key: &str) -> &'a str {
    let start = format!("// {key}: ");
    let lines = ptx.lines().take_while(|line| line.starts_with("//"));
    lines.filter_map(|line| line.strip_prefix(&start)).next().unwrap_or_else(|| panic!("no line {start}"))
}

/// What stands between the quotes of a line of `scripts/build-ptx` that begins with `start`.
fn quoted(start: &str) -> Vec<String> {
    let script = std::fs::read_to_string(root().join("scripts/build-ptx")).unwrap();
    let line = script.lines().find(|line| line.starts_with(start)).unwrap();
    line.split('"').skip(1).step_by(2).map(str::to_owned).collect()
}

/// The source of a PTX and the options that it is compiled with, as `scripts/build-ptx` has them.
fn made_of(ptx: &str) -> (String, String) {
    let options = quoted("OPTIONS = ");
    let script = std::fs::read_to_string(root().join("scripts/build-ptx")).unwrap();
    let variant = format!("    (\"{ptx}\", ");
    if script.lines().any(|line| line.starts_with(&variant)) {
        let mut parts = quoted(&variant);
        let source = parts.remove(1);
        return (source, [&options[..], &parts[1..]].concat().join(" "));
    }
    (ptx.to_owned(), options.join(" "))
}

/// The hash that the docstring of `scripts/build-ptx` describes.
fn source_hash(name: &str, options: &str) -> String {
    let mut hash = Sha256::new();
    let source = root().join("kernels").join(name);
    for path in std::iter::once(source).chain(files("kernels", "cuh")) {
        hash.update(path.file_name().unwrap().as_encoded_bytes());
        hash.update(b"\n");
        hash.update(std::fs::read(path).unwrap());
    }
    hash.update(options);
    hash.finalize().iter().fold(String::new(), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

/// The texts that a PTX spells out as numbers in its debug sections: `.b8 95,90,…`.
fn spelled_out(ptx: &str) -> String {
    let numbers = ptx.lines().filter_map(|line| line.trim().strip_prefix(".b8 "));
    let bytes =
        numbers.flat_map(|line| line.split(',').filter_map(|number| number.trim().parse::<u8>().ok()));
    bytes.map(char::from).collect()
}

#[test]
fn the_ptx_is_fresh() {
    let version = quoted("VERSION = ").remove(0);
    assert!(version.starts_with("12.0."), "kernels must load on a 525 driver: NVRTC {version}");
    for path in files("kernels/ptx", "ptx") {
        let ptx = std::fs::read_to_string(&path).unwrap();
        let (source, options) = made_of(&stem(&path));
        let name = source + ".cu";
        assert_eq!(of_head(&ptx, "nvrtc"), version, "{name}");
        assert_eq!(of_head(&ptx, "options"), options, "{name}");
        assert_eq!(
            of_head(&ptx, "source-sha256"),
            source_hash(&name, &options),
            "kernels/{name} or a header has changed: run scripts/build-ptx and commit kernels/ptx"
        );
    }
}

#[test]
fn a_changed_source_or_option_changes_the_hash() {
    let options = quoted("OPTIONS = ").join(" ");
    let hash = source_hash("reduce.cu", &options);
    assert_ne!(hash, source_hash("support.cu", &options));
    assert_ne!(hash, source_hash("reduce.cu", &(options + " --use_fast_math")));
}

#[test]
fn every_source_has_its_ptx_which_the_program_carries() {
    let names = |folder, ending| files(folder, ending).iter().map(|path| stem(path)).collect::<BTreeSet<_>>();
    let made = names("kernels/ptx", "ptx");
    assert_eq!(made, MODULES.iter().map(|module| module.name.to_owned()).collect());
    assert_eq!(names("kernels", "cu"), made.iter().map(|ptx| made_of(ptx).0).collect());
    for module in MODULES {
        let file = root().join("kernels/ptx").join(module.name).with_extension("ptx");
        assert_eq!(module.ptx, std::fs::read_to_string(file).unwrap(), "{}", module.name);
    }
}

#[test]
fn the_program_carries_what_its_ptx_was_made_of() {
    let text = |name: &str| std::fs::read_to_string(root().join("kernels").join(name)).unwrap();
    for module in MODULES {
        let (source, options) = made_of(module.name);
        assert_eq!(module.source.name, source + ".cu", "{}", module.name);
        assert_eq!(module.source.text, text(module.source.name), "{}", module.name);
        assert_eq!(module.options().unwrap().collect::<Vec<_>>().join(" "), options, "{}", module.name);
    }
    let headers: Vec<_> =
        files("kernels", "cuh").iter().map(|path| path.file_name().unwrap().to_owned()).collect();
    assert_eq!(HEADERS.map(|header| header.name).to_vec(), headers);
    for header in HEADERS {
        assert_eq!(header.text, text(header.name), "{}", header.name);
    }
}

#[test]
fn the_ptx_loads_on_the_oldest_gpu_and_driver() {
    for module in MODULES {
        for line in [".version 8.0", ".target sm_75", ".address_size 64"] {
            assert!(module.ptx.lines().any(|found| found == line), "{}.ptx lacks {line}", module.name);
        }
    }
}

#[test]
fn the_ptx_names_no_path_of_the_machine_that_made_it() {
    for module in MODULES {
        let text = module.ptx.to_owned() + &spelled_out(module.ptx);
        for path in ["/root", "/tmp", "/home", "/usr", "\"/", "site-packages", env!("CARGO_MANIFEST_DIR")] {
            assert!(!text.contains(path), "{}.ptx names {path}", module.name);
        }
        for line in module.ptx.lines().filter(|line| line.trim_start().starts_with(".file")) {
            let file = line.split('"').nth(1).unwrap();
            let there = file.starts_with("kernels/") && root().join(file).is_file();
            assert!(there, "{}.ptx names {file}", module.name);
        }
    }
    assert_eq!(spelled_out("x\n.b8 47,116\n.b8 109,112,0\n.b32 7\n"), "/tmp\0");
}
