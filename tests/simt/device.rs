//! A small front of the simulated GPU for tests: buffers of plain types, and every schedule in turn.

use std::fmt::Debug;
use std::sync::Arc;

use bytemuck::{AnyBitPattern, NoUninit};
use samebits::simt::{Argument, Executed, Launch, Loaded, Memory, Module, Options, Result, Schedule};

/// Random schedules that a kernel is executed under, besides round-robin.
pub const SEEDS: u64 = 20;
/// Thread instructions that are more than any kernel of the corpus needs.
const FUEL: u64 = 20_000_000;

/// A module in a memory of its own.
pub struct Device {
    pub memory: Memory,
    pub loaded: Loaded,
    pub options: Options,
    pub shared_bytes: u32,
}

/// An address as an argument.
pub fn address(argument: &Argument) -> u64 {
    match argument {
        Argument::U64(address) => *address,
        other => panic!("{other:?} is no address"),
    }
}

impl Device {
    pub fn new(module: &Arc<Module>, schedule: Schedule) -> Self {
        let mut memory = Memory::new();
        let loaded = module.load(&mut memory).unwrap();
        let options = Options { schedule, fuel: FUEL, ..Options::default() };
        Self { memory, loaded, options, shared_bytes: 0 }
    }

    /// A buffer with these values.
    pub fn put<T: NoUninit>(&mut self, values: &[T]) -> Argument {
        let bytes: &[u8] = bytemuck::cast_slice(values);
        let address = self.memory.allocate(bytes.len() as u64);
        self.memory.write(address, bytes).unwrap();
        Argument::U64(address)
    }

    /// A buffer that nothing was written to.
    pub fn room<T>(&mut self, values: usize) -> Argument {
        Argument::U64(self.memory.allocate((values * size_of::<T>()) as u64))
    }

    /// The values of a buffer; all of them must have been written.
    pub fn get<T: AnyBitPattern>(&self, argument: &Argument, values: usize) -> Vec<T> {
        let mut bytes = vec![0; values * size_of::<T>()];
        self.memory.read(address(argument), &mut bytes).unwrap();
        bytes.chunks_exact(size_of::<T>()).map(bytemuck::pod_read_unaligned).collect()
    }

    pub fn try_launch(
        &mut self,
        entry: &str,
        grid: [u32; 3],
        block: [u32; 3],
        arguments: &[Argument],
    ) -> Result<Executed> {
        let launch = Launch { entry, grid, block, shared_bytes: self.shared_bytes, arguments };
        self.loaded.launch(&launch, &mut self.memory, &self.options)
    }

    /// Launches a grid and blocks of one dimension.
    pub fn launch(&mut self, entry: &str, grid: u32, block: u32, arguments: &[Argument]) -> Executed {
        self.launch_3d(entry, [grid, 1, 1], [block, 1, 1], arguments)
    }

    pub fn launch_3d(
        &mut self,
        entry: &str,
        grid: [u32; 3],
        block: [u32; 3],
        arguments: &[Argument],
    ) -> Executed {
        let schedule = self.options.schedule;
        self.try_launch(entry, grid, block, arguments)
            .unwrap_or_else(|fault| panic!("{entry} under {schedule:?}: {fault}"))
    }
}

/// What `test` gives for each text under round-robin and under each seed; each twice, since a schedule replays
/// exactly.
pub fn each_schedule<R: PartialEq + Debug>(texts: &[&str], test: impl Fn(&mut Device) -> R) -> Vec<Vec<R>> {
    let of_text = |text: &&str| {
        let module = Arc::new(Module::new(text).unwrap_or_else(|fault| panic!("{fault}")));
        let replayed = |schedule| {
            let first = test(&mut Device::new(&module, schedule));
            let again = test(&mut Device::new(&module, schedule));
            assert_eq!(first, again, "{schedule:?} does not replay");
            first
        };
        let random = (0..SEEDS).map(|seed| Schedule::Random { seed });
        std::iter::once(Schedule::RoundRobin).chain(random).map(replayed).collect()
    };
    texts.iter().map(of_text).collect()
}

/// `test` gives `expected` for each text under every schedule.
pub fn always<R: PartialEq + Debug>(texts: &[&str], expected: &R, test: impl Fn(&mut Device) -> R) {
    for (text, results) in each_schedule(texts, test).iter().enumerate() {
        for (index, result) in results.iter().enumerate() {
            assert_eq!(result, expected, "text {text}, schedule {index} (0 is round-robin, n is seed n - 1)");
        }
    }
}

/// Numbers without a pattern.
pub fn noise(index: usize) -> u32 {
    let mut v = (index as u32).wrapping_add(1).wrapping_mul(0x9e37_79b9);
    v = (v ^ v >> 15).wrapping_mul(0x85eb_ca6b);
    v = (v ^ v >> 13).wrapping_mul(0xc2b2_ae35);
    v ^ v >> 16
}

/// That many of them, below `bound`.
pub fn numbers(count: usize, bound: u32) -> Vec<u32> {
    (0..count).map(|index| noise(index) % bound).collect()
}

/// Signed numbers whose magnitudes spread over 2^±20, as floats.
pub fn wide(count: usize) -> Vec<f32> {
    let value = |index| {
        let bits = noise(index);
        let fraction = 1.0 + (bits & 0xffff) as f32 / 65536.0;
        let sign = if bits >> 16 & 1 == 1 { -1.0 } else { 1.0 };
        sign * fraction * 2f32.powi((bits >> 20) as i32 % 41 - 20)
    };
    (0..count).map(value).collect()
}
