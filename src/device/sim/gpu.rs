//! The simulated GPU as a GPU that plans are carried out on.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::time::Duration;

use crate::device::cpu::NOMINAL_SM_COUNT;
use crate::device::gpu::{Gpu, LaunchShape, Loaded, Properties, Stream, Value};
use crate::device::plan::Module;
use crate::device::{DeviceFacts, KernelIdentity};
use crate::error::{Error, Result};
use crate::simt::{self, Argument, Launch, Memory, Options, Schedule};

/// A simulated GPU.
pub struct SimGpu {
    memory: Rc<RefCell<Memory>>,
    properties: Properties,
    schedule: Cell<Schedule>,
    /// Thread instructions after which a launch is given up.
    fuel: Cell<u64>,
    /// Thread instructions since the last look.
    executed: Cell<u64>,
}

/// Memory of a simulated GPU; freed when dropped.
pub struct Allocation {
    memory: Rc<RefCell<Memory>>,
    address: u64,
    bytes: u64,
}

impl Drop for Allocation {
    fn drop(&mut self) {
        self.memory.borrow_mut().free(self.address);
    }
}

/// An entry of a loaded module.
pub struct Kernel {
    module: simt::Loaded,
    entry: String,
}

impl Default for SimGpu {
    fn default() -> Self {
        Self::new()
    }
}

impl SimGpu {
    /// With round-robin schedules until told otherwise.
    pub fn new() -> Self {
        let properties = Properties {
            name: "simulated GPU".to_owned(),
            sm_count: NOMINAL_SM_COUNT,
            l2_bytes: 0,
            compute_capability: (0, 0),
        };
        Self {
            memory: Rc::default(),
            properties,
            schedule: Cell::new(Schedule::RoundRobin),
            fuel: Cell::new(Options::default().fuel),
            executed: Cell::new(0),
        }
    }

    /// Launches are executed under `schedule` from now on.
    pub fn set_schedule(&self, schedule: Schedule) {
        self.schedule.set(schedule);
    }

    /// Launches are given up after so many thread instructions from now on.
    pub fn set_fuel(&self, fuel: u64) {
        self.fuel.set(fuel);
    }

    /// Thread instructions since the last call of this.
    pub fn take_executed(&self) -> u64 {
        self.executed.take()
    }
}

/// Modules that were read, by name and by the PTX's address, since some are compiled at run time: reading takes
/// longer than many a launch.
static READ: LazyLock<Mutex<HashMap<Text, Arc<simt::Module>>>> = LazyLock::new(Mutex::default);

/// A module's name, and where its PTX lies for as long as the program runs.
type Text = (&'static str, usize);

/// A module, read at the first call.
pub fn read(module: &Module) -> Result<Arc<simt::Module>> {
    let mut known = READ.lock().unwrap_or_else(PoisonError::into_inner);
    let text = (module.name, module.ptx.as_ptr().addr());
    if let Some(read) = known.get(&text) {
        return Ok(Arc::clone(read));
    }
    let read = Arc::new(simt::Module::new(module.ptx).map_err(failed)?);
    known.insert(text, Arc::clone(&read));
    Ok(read)
}

fn failed(fault: simt::Fault) -> Error {
    Error::device(fault.to_string())
}

impl Gpu for SimGpu {
    type Memory = Allocation;
    type Module = simt::Loaded;
    type Kernel = Kernel;
    type Event = ();
    type Graph = ();

    const IS_HARDWARE: bool = false;

    fn name(&self) -> String {
        "sim".to_owned()
    }

    fn properties(&self) -> &Properties {
        &self.properties
    }

    fn facts(&self) -> DeviceFacts {
        DeviceFacts {
            name: self.properties.name.clone(),
            sm_count: self.properties.sm_count,
            ..DeviceFacts::default()
        }
    }

    fn throttled(&self) -> Option<bool> {
        None
    }

    fn clock_mhz(&self) -> Option<u32> {
        None
    }

    fn free_bytes(&self) -> Result<u64> {
        Ok(crate::device::memory::available().unwrap_or(u64::MAX))
    }

    fn allocate(&self, bytes: u64) -> Result<Allocation> {
        let address = self.memory.borrow_mut().allocate(bytes);
        Ok(Allocation { memory: Rc::clone(&self.memory), address, bytes })
    }

    fn address(&self, memory: &Allocation) -> u64 {
        memory.address
    }

    fn upload(&self, memory: &Allocation, offset: u64, bytes: &[u8]) -> Result<()> {
        self.memory.borrow_mut().write(memory.address + offset, bytes).map_err(failed)
    }

    fn download(&self, memory: &Allocation, offset: u64, bytes: &mut [u8]) -> Result<()> {
        self.memory.borrow().read(memory.address + offset, bytes).map_err(failed)
    }

    fn fill(&self, memory: &Allocation, word: u32) -> Result<()> {
        self.memory.borrow_mut().fill(memory.address, memory.bytes, word).map_err(failed)
    }

    fn load_module(&self, module: &Module, _: Option<u32>) -> Result<Loaded<simt::Loaded>> {
        let identity = KernelIdentity { kernel: module.hash(), cubin: String::new() };
        let module = read(module)?.load(&mut self.memory.borrow_mut()).map_err(failed)?;
        Ok(Loaded { module, identity })
    }

    fn kernel(&self, module: &simt::Loaded, entry: &str) -> Result<Kernel> {
        if module.has_entry(entry) {
            return Ok(Kernel { module: module.clone(), entry: entry.to_owned() });
        }
        Err(Error::device("no such entry"))
    }

    /// Launches and waits: what a simulation is asked for is done at once.
    fn launch(&self, _: Stream, kernel: &Kernel, shape: LaunchShape, arguments: &[Value]) -> Result<()> {
        let arguments: Vec<_> = arguments
            .iter()
            .map(|value| match value {
                Value::U64(value) => Argument::U64(*value),
                Value::U32(value) => Argument::U32(*value),
            })
            .collect();
        let launch = Launch {
            entry: &kernel.entry,
            grid: shape.grid,
            block: shape.block,
            shared_bytes: shape.shared_bytes,
            arguments: &arguments,
        };
        let options = Options { schedule: self.schedule.get(), fuel: self.fuel.get(), blocks: None };
        let executed = kernel.module.launch(&launch, &mut self.memory.borrow_mut(), &options);
        self.executed.set(self.executed.get() + executed.map_err(failed)?.thread_instructions);
        Ok(())
    }

    fn end_graph(&self) -> Result<()> {
        self.begin_graph()
    }

    fn launch_graph(&self, (): &()) -> Result<()> {
        self.begin_graph()
    }

    fn event(&self) -> Result<()> {
        Ok(())
    }

    fn record(&self, _: Stream, (): &()) -> Result<()> {
        Ok(())
    }

    fn wait(&self, (): &()) -> Result<()> {
        Ok(())
    }

    fn elapsed(&self, (): &(), (): &()) -> Result<Duration> {
        Err(Error::device("a simulation has no time"))
    }

    fn synchronize(&self, _: Stream) -> Result<()> {
        Ok(())
    }
}
