//! What the tests of every operation's plans share: launches against the signatures in the PTX.

use crate::device::plan::{Argument, Buffer, Plan, Step};

/// The parameter types of an entry of a PTX text.
fn signature(ptx: &str, entry: &str) -> Vec<String> {
    let start = ptx.find(&format!(".entry {entry}(")).unwrap_or_else(|| panic!("no entry {entry}"));
    let list = &ptx[start..start + ptx[start..].find("\n)").unwrap()];
    list.lines()
        .filter_map(|line| line.trim().strip_prefix(".param "))
        .map(|parameter| parameter.split_whitespace().next().unwrap().to_owned())
        .collect()
}

/// Asserts that a plan launches entries of `ptx` with arguments of their types, on buffers that exist, and
/// on legal grids.
pub fn check_plan(plan: &Plan, ptx: &str, inputs: usize, outputs: usize, what: &str) {
    let check_buffer = |buffer: &Buffer| match buffer {
        Buffer::Input(index) => assert!(*index < inputs, "{what}"),
        Buffer::Output(index) => assert!(*index < outputs, "{what}"),
        Buffer::Workspace(index) => assert!(*index < plan.workspaces.len(), "{what}"),
    };
    for step in &plan.steps {
        let launch = match step {
            Step::Zero(buffer) => {
                check_buffer(buffer);
                continue;
            }
            Step::Launch(launch) => launch,
        };
        let types: Vec<String> = launch
            .arguments
            .iter()
            .map(|argument| {
                let kind = match argument {
                    Argument::Buffer(buffer) => {
                        check_buffer(buffer);
                        ".u64"
                    }
                    Argument::U64(_) => ".u64",
                    Argument::U32(_) => ".u32",
                    Argument::F32(_) => ".f32",
                };
                kind.to_owned()
            })
            .collect();
        assert_eq!(types, signature(ptx, &launch.entry), "{what}: {}", launch.entry);
        assert!(launch.grid[0] >= 1 && launch.grid[0] <= i32::MAX as u32, "{what}");
        assert!((32..=1024).contains(&launch.block[0]) && launch.block[0].is_multiple_of(32), "{what}");
    }
}
