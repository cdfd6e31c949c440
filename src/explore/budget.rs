//! How much memory a launch takes, known before any of it is taken: a number in a file must not exhaust the host.

use crate::simt::{MOST_RESIDENT, Module};

/// Threads of a block, at most; what asks for more is refused by name when it is launched.
const MOST_THREADS: u64 = 1024;

/// What is left of `most` bytes for buffers, beside the module's variables and what the threads of the blocks that run
/// side by side have for themselves.
///
/// # Errors
/// In words, if these alone take more.
pub fn left(module: &Module, entry: &str, grid: [u32; 3], block: [u32; 3], most: u64) -> Result<u64, String> {
    let volume =
        |extents: [u32; 3]| extents.iter().fold(1, |all: u64, extent| all.saturating_mul(u64::from(*extent)));
    let blocks = volume(grid).min(u64::from(MOST_RESIDENT));
    let threads = blocks * volume(block).min(MOST_THREADS).next_multiple_of(32);
    let (of_each, variables) = (module.thread_bytes(entry), module.variable_bytes());
    let taken = threads.saturating_mul(of_each).saturating_add(variables);
    most.checked_sub(taken).ok_or_else(|| {
        format!(
            "{entry} takes {taken} bytes without its arguments: {of_each} for each of {threads} threads that run side by \
             side, {variables} for variables; --max-memory allows {most}"
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn local_memory_and_variables_count_before_buffers() {
        let text = ".version 8.0\n.target sm_80\n.address_size 64\n.global .b8 big[1000];\n\
                    .visible .entry f()\n{\n.local .b8 own[1024];\nret;\n}\n";
        let module = Module::new(text).unwrap();
        assert_eq!(left(&module, "f", [1, 1, 1], [1, 1, 1], 40_000), Ok(40_000 - 1000 - 32 * 1024));
        // Eight blocks run side by side, however many there are.
        let error = left(&module, "f", [1000, 1, 1], [64, 1, 1], 40_000).unwrap_err();
        assert!(error.contains("1024 for each of 512 threads") && error.contains("--max-memory"), "{error}");
    }
}
