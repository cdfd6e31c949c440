//! A GPU that records what it is asked for. Its memory is host memory, its clock counts made-up
//! nanoseconds, and its kernels do nothing, except the one called `write_ones`.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use crate::device::gpu::{Gpu, LaunchShape, Loaded, Properties, Stream, Value};
use crate::device::plan::Module;
use crate::device::{DeviceFacts, KernelIdentity};
use crate::error::{Error, Result};

/// The time of a launch.
pub const LAUNCH_NS: u64 = 1000;
/// The time of filling a small buffer.
pub const FILL_NS: u64 = 10;
/// The time of filling a buffer of at least [`LARGE`] bytes: a flush.
const FLUSH_NS: u64 = 1_000_000;
/// What a large buffer is.
pub const LARGE: u64 = 1 << 20;

#[derive(Debug, Clone, PartialEq)]
pub enum Call {
    Upload(u64),
    Download(u64),
    Fill {
        address: u64,
        bytes: u64,
        word: u32,
    },
    /// Optimised to that level, where one is named.
    LoadModule(&'static str, Option<u32>),
    BeginGraph,
    /// Of how many calls.
    LaunchGraph(usize),
    Launch(Launched),
    Record(Stream),
    Wait,
    Synchronize(Stream),
}

#[derive(Debug, Clone, PartialEq)]
pub struct Launched {
    pub stream: Stream,
    pub entry: String,
    pub shape: LaunchShape,
    pub arguments: Vec<Value>,
    /// What the memory held that the arguments point to.
    pub saw: Vec<Vec<u8>>,
}

#[derive(Default)]
struct State {
    calls: Vec<Call>,
    memory: BTreeMap<u64, Vec<u8>>,
    next_address: u64,
    nanoseconds: u64,
}

#[derive(Clone)]
pub struct Mock {
    state: Rc<RefCell<State>>,
    properties: Properties,
    /// Allocations above this many bytes are refused.
    pub largest: u64,
    /// What waiting for the measured stream answers, once set.
    pub failure: Rc<RefCell<Option<String>>>,
}

pub struct Memory {
    state: Rc<RefCell<State>>,
    address: u64,
}

impl Drop for Memory {
    fn drop(&mut self) {
        self.state.borrow_mut().memory.remove(&self.address);
    }
}

impl Mock {
    pub fn new() -> Self {
        let properties = Properties {
            name: "Mock".to_owned(),
            sm_count: 3,
            l2_bytes: 1 << 20,
            compute_capability: (7, 5),
        };
        let state = State { next_address: 0x10000, ..State::default() };
        Self { state: Rc::new(RefCell::new(state)), properties, largest: u64::MAX, failure: Rc::default() }
    }

    /// What was asked for since the last call of this.
    pub fn take_calls(&self) -> Vec<Call> {
        std::mem::take(&mut self.state.borrow_mut().calls)
    }

    /// Buffers that are not freed.
    pub fn live_buffers(&self) -> usize {
        self.state.borrow().memory.len()
    }

    fn log(&self, call: Call, nanoseconds: u64) {
        let mut state = self.state.borrow_mut();
        state.calls.push(call);
        state.nanoseconds += nanoseconds;
    }
}

/// The launches among `calls`.
pub fn launches(calls: &[Call]) -> Vec<Launched> {
    calls
        .iter()
        .filter_map(|call| match call {
            Call::Launch(launched) => Some(launched.clone()),
            _ => None,
        })
        .collect()
}

impl Gpu for Mock {
    type Memory = Memory;
    type Module = &'static str;
    type Kernel = String;
    type Event = RefCell<Option<u64>>;
    type Graph = Vec<Call>;

    const IS_HARDWARE: bool = true;

    fn name(&self) -> String {
        "mock:0".to_owned()
    }

    fn properties(&self) -> &Properties {
        &self.properties
    }

    fn facts(&self) -> DeviceFacts {
        DeviceFacts::default()
    }

    fn throttled(&self) -> Option<bool> {
        None
    }

    fn clock_mhz(&self) -> Option<u32> {
        None
    }

    fn free_bytes(&self) -> Result<u64> {
        Ok(self.largest)
    }

    fn allocate(&self, bytes: u64) -> Result<Memory> {
        assert!(bytes > 0 && bytes.is_multiple_of(4), "{bytes}");
        if bytes > self.largest {
            return Err(Error::device("out of memory"));
        }
        let mut state = self.state.borrow_mut();
        let address = state.next_address;
        state.next_address += bytes.next_multiple_of(256);
        state.memory.insert(address, vec![0xee; bytes as usize]);
        Ok(Memory { state: Rc::clone(&self.state), address })
    }

    fn address(&self, memory: &Memory) -> u64 {
        memory.address
    }

    fn upload(&self, memory: &Memory, offset: u64, bytes: &[u8]) -> Result<()> {
        self.log(Call::Upload(memory.address + offset), 0);
        let mut state = self.state.borrow_mut();
        let place = &mut state.memory.get_mut(&memory.address).unwrap()[offset as usize..];
        place[..bytes.len()].copy_from_slice(bytes);
        Ok(())
    }

    fn download(&self, memory: &Memory, offset: u64, bytes: &mut [u8]) -> Result<()> {
        self.log(Call::Download(memory.address + offset), 0);
        bytes.copy_from_slice(&self.state.borrow().memory[&memory.address][offset as usize..][..bytes.len()]);
        Ok(())
    }

    fn fill(&self, memory: &Memory, word: u32) -> Result<()> {
        let address = memory.address;
        let bytes = self.state.borrow().memory[&address].len() as u64;
        self.log(Call::Fill { address, bytes, word }, if bytes < LARGE { FILL_NS } else { FLUSH_NS });
        let mut state = self.state.borrow_mut();
        for chunk in state.memory.get_mut(&address).unwrap().chunks_exact_mut(4) {
            chunk.copy_from_slice(&word.to_le_bytes());
        }
        Ok(())
    }

    fn load_module(&self, module: &Module, level: Option<u32>) -> Result<Loaded<&'static str>> {
        self.log(Call::LoadModule(module.name, level), 0);
        let identity = KernelIdentity { kernel: module.hash(), cubin: "cubin".to_owned() };
        Ok(Loaded { module: module.ptx, identity })
    }

    fn jit_levels(&self) -> &'static [u32] {
        &[0, 3]
    }

    fn kernel(&self, ptx: &&'static str, entry: &str) -> Result<String> {
        if ptx.contains(&format!(".entry {entry}(")) {
            Ok(entry.to_owned())
        } else {
            Err(Error::device("no such entry"))
        }
    }

    fn launch(&self, stream: Stream, entry: &String, shape: LaunchShape, arguments: &[Value]) -> Result<()> {
        let pointers = arguments.iter().filter_map(|argument| match argument {
            Value::U64(value) => Some(value),
            Value::U32(_) => None,
        });
        let saw = {
            let state = self.state.borrow();
            pointers.filter_map(|address| state.memory.get(address).cloned()).collect()
        };
        let nanoseconds = match (entry.as_str(), arguments) {
            ("support_delay", [Value::U64(nanoseconds)]) => *nanoseconds,
            _ => LAUNCH_NS,
        };
        let launched = Launched { stream, entry: entry.clone(), shape, arguments: arguments.to_vec(), saw };
        self.log(Call::Launch(launched), nanoseconds);
        if let ("write_ones", [Value::U64(address), ..]) = (entry.as_str(), arguments) {
            let mut state = self.state.borrow_mut();
            let (start, memory) = state.memory.range_mut(..=address).next_back().unwrap();
            for chunk in memory[(address - start) as usize..].chunks_exact_mut(4) {
                chunk.copy_from_slice(&1f32.to_le_bytes());
            }
        }
        Ok(())
    }

    fn begin_graph(&self) -> Result<()> {
        self.log(Call::BeginGraph, 0);
        Ok(())
    }

    /// What was recorded was done at once too, which these tests do not mind: its memory is what it would be.
    fn end_graph(&self) -> Result<Vec<Call>> {
        let state = self.state.borrow();
        let begun = state.calls.iter().rposition(|call| *call == Call::BeginGraph).unwrap();
        Ok(state.calls[begun + 1..].to_vec())
    }

    fn launch_graph(&self, graph: &Vec<Call>) -> Result<()> {
        self.log(Call::LaunchGraph(graph.len()), 0);
        Ok(())
    }

    fn reopen(&self) -> Result<Self> {
        Ok(Self::new())
    }

    fn event(&self) -> Result<Self::Event> {
        Ok(RefCell::new(None))
    }

    fn record(&self, stream: Stream, event: &Self::Event) -> Result<()> {
        self.log(Call::Record(stream), 0);
        *event.borrow_mut() = Some(self.state.borrow().nanoseconds);
        Ok(())
    }

    fn wait(&self, event: &Self::Event) -> Result<()> {
        assert!(event.borrow().is_some(), "waits for what was never recorded");
        self.log(Call::Wait, 0);
        Ok(())
    }

    fn elapsed(&self, start: &Self::Event, end: &Self::Event) -> Result<Duration> {
        assert!(
            matches!(self.state.borrow().calls.last(), Some(Call::Synchronize(Stream::Measured))),
            "events are read before they are reached"
        );
        Ok(Duration::from_nanos(end.borrow().unwrap() - start.borrow().unwrap()))
    }

    fn synchronize(&self, stream: Stream) -> Result<()> {
        self.log(Call::Synchronize(stream), 0);
        match (stream, self.failure.borrow().as_ref()) {
            (Stream::Measured, Some(failure)) => Err(Error::device(failure.clone())),
            _ => Ok(()),
        }
    }
}
