//! Kernels written for these tests, with answers computed here in plain Rust. kernels/README.md says how their
//! PTX is made.

/// The PTX of a source of kernels/, by each compiler.
macro_rules! texts {
    ($name:literal) => {
        &[
            include_str!(concat!("../kernels/", $name, ".ptx")),
            include_str!(concat!("../kernels/nvrtc13/", $name, ".ptx")),
            include_str!(concat!("../kernels/nvcc13/", $name, ".ptx")),
        ]
    };
}

mod algorithms;
mod atomics;
mod barriers;
mod control;
mod copies;
mod exchange;
mod hand;
mod locks;
mod spaces;

use std::path::Path;

use samebits::simt::{Argument, Module};

use crate::device::{Device, always};

/// Launches `entry` with inputs `x` and one output of `count` words, and returns these.
fn words(
    device: &mut Device,
    entry: &str,
    (grid, block): (u32, u32),
    x: &[u32],
    more: &[Argument],
    count: usize,
) -> Vec<u32> {
    let (x, y) = (device.put(x), device.room::<u32>(count));
    let mut arguments = vec![x, y.clone()];
    arguments.extend_from_slice(more);
    device.launch(entry, grid, block, &arguments);
    device.get(&y, count)
}

/// `entry` of each text gives `expected` for `x` under every schedule.
fn gives(texts: &[&str], entry: &str, shape: (u32, u32), x: &[u32], more: &[Argument], expected: &[u32]) {
    let expected = expected.to_vec();
    always(texts, &expected, |device| words(device, entry, shape, x, more, expected.len()));
}

/// Every kernel of the folder is executed by a test of a room of this module that names it.
#[test]
fn no_kernel_is_left_out() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/simt");
    let mut tests = String::new();
    for file in std::fs::read_dir(folder.join("corpus")).unwrap() {
        tests.push_str(&std::fs::read_to_string(file.unwrap().path()).unwrap());
    }
    let mut seen = 0;
    for file in std::fs::read_dir(folder.join("kernels")).unwrap() {
        let path = file.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "ptx") {
            let module = Module::new(&std::fs::read_to_string(&path).unwrap()).unwrap();
            for entry in module.entries() {
                assert!(tests.contains(&format!("\"{entry}\"")), "{}: {entry} is never run", path.display());
                seen += 1;
            }
        }
    }
    assert!(seen >= 50, "{seen} kernels");
}
