//! NVIDIA GPUs, through the driver alone (cudarc): no toolkit is needed, and nothing is linked.

mod link;
mod nvml;
mod probe;

use std::ffi::c_int;
use std::fmt::Display;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use cudarc::driver::sys::{self, CUdevice_attribute as Attribute};
use cudarc::driver::{
    CudaContext, CudaEvent, CudaFunction, CudaGraph, CudaModule, CudaStream, DriverError, LaunchConfig,
    PushKernelArg, result,
};
use cudarc::nvrtc::Ptx;

pub(super) use self::link::first_useful_line;
pub use self::probe::probe;

use self::nvml::Monitor;
use crate::device::gpu::{Gpu, GpuDevice, LaunchShape, Loaded, Properties, Stream, Value};
use crate::device::plan::Module;
use crate::device::{DeviceFacts, FaultCounts, KernelIdentity};
use crate::digest::short_hash;
use crate::error::{Error, Result};

/// The oldest GPUs that the carried PTX runs on: its `.target`.
const LEAST_CAPABILITY: (u32, u32) = (7, 5);

/// An open NVIDIA GPU. Whatever it hands out keeps its context alive.
#[derive(Debug)]
pub struct Cuda {
    ordinal: usize,
    shared: bool,
    properties: Properties,
    uuid: [u8; 16],
    monitor: Option<Monitor>,
    measured: Arc<CudaStream>,
    background: Arc<CudaStream>,
    context: Arc<CudaContext>,
}

/// Opens the `ordinal`-th GPU that CUDA shows. `shared` allows one that others compute on.
///
/// # Errors
/// [`Error::Input`] with the remedy if there is no such GPU, it is too old, or it is busy;
/// [`Error::Device`] if it does not open.
pub fn open(ordinal: usize, shared: bool) -> Result<GpuDevice<Cuda>> {
    let count = probe().map_err(Error::input)?;
    if ordinal >= count as usize {
        return Err(Error::input(format!("no cuda:{ordinal} here: the last GPU is cuda:{}", count - 1)));
    }
    let name = format!("cuda:{ordinal}");
    let device = result::device::get(ordinal as c_int).map_err(failed(&name))?;
    let properties = properties(device).map_err(failed(&name))?;
    if properties.compute_capability < LEAST_CAPABILITY {
        let ((major, minor), (least_major, least_minor)) = (properties.compute_capability, LEAST_CAPABILITY);
        return Err(Error::input(format!(
            "{name} ({}) has compute capability {major}.{minor}; the kernels need {least_major}.{least_minor} or newer",
            properties.name
        )));
    }
    let uuid = uuid(device).map_err(failed(&name))?;
    let monitor = Monitor::open(&uuid);
    if !shared {
        refuse_busy(&name, &uuid, monitor.as_ref())?;
    }
    let context = CudaContext::new(ordinal).map_err(failed(format!("{name}: creating a context")))?;
    let (measured, background) = streams(&name, &context)?;
    let gpu = Cuda { ordinal, shared, properties, uuid, monitor, measured, background, context };
    Ok(GpuDevice::new(gpu))
}

/// The measured stream, and that of other work.
fn streams(name: &str, context: &Arc<CudaContext>) -> Result<(Arc<CudaStream>, Arc<CudaStream>)> {
    // SAFETY: work on one memory in two streams is kept apart by waiting for both, and memory is freed by
    // `cuMemFree`, which waits. With tracking on, launches would wait for events of earlier ones.
    unsafe { context.disable_event_tracking() };
    let stream = || context.new_stream().map_err(failed(format!("{name}: creating a stream")));
    Ok((stream()?, stream()?))
}

/// Asked before this process has a context there, so that it cannot meet itself: in a container,
/// process numbers are not those that NVML tells.
fn refuse_busy(name: &str, uuid: &[u8; 16], monitor: Option<&Monitor>) -> Result<()> {
    static ADMITTED: Mutex<Vec<[u8; 16]>> = Mutex::new(Vec::new());
    let mut admitted = ADMITTED.lock().unwrap_or_else(PoisonError::into_inner);
    if admitted.contains(uuid) {
        return Ok(());
    }
    let others = monitor.and_then(Monitor::other_processes).unwrap_or(0);
    if others > 0 {
        let plural = if others == 1 { "process computes" } else { "processes compute" };
        return Err(Error::input(format!(
            "{name} is busy: {others} other {plural} on it; wait, choose another GPU, or give --shared to measure anyway"
        )));
    }
    admitted.push(*uuid);
    Ok(())
}

fn attribute(device: sys::CUdevice, attribute: Attribute) -> std::result::Result<u32, DriverError> {
    // SAFETY: `device` comes from `cuDeviceGet`.
    let value = unsafe { result::device::get_attribute(device, attribute) }?;
    Ok(value.max(0) as u32)
}

fn properties(device: sys::CUdevice) -> std::result::Result<Properties, DriverError> {
    Ok(Properties {
        name: result::device::get_name(device)?,
        sm_count: attribute(device, Attribute::CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT)?,
        l2_bytes: attribute(device, Attribute::CU_DEVICE_ATTRIBUTE_L2_CACHE_SIZE)?.into(),
        compute_capability: (
            attribute(device, Attribute::CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR)?,
            attribute(device, Attribute::CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR)?,
        ),
    })
}

/// The UUID of the GPU, or of the MIG instance: the first version of the call gives instances of one
/// GPU the same.
fn uuid(device: sys::CUdevice) -> std::result::Result<[u8; 16], DriverError> {
    let mut uuid = sys::CUuuid { bytes: [0; 16] };
    // SAFETY: `uuid` is valid for writes; `device` comes from `cuDeviceGet`.
    unsafe { sys::cuDeviceGetUuid_v2(&mut uuid, device) }.result()?;
    Ok(uuid.bytes.map(|byte| byte.cast_unsigned()))
}

/// Turns a CUDA error into the library's, with what was being done in front; for `map_err`.
fn failed(what: impl Display) -> impl FnOnce(DriverError) -> Error {
    move |error| Error::device(format!("{what}: {}", describe(error)))
}

/// `CUDA_ERROR_OUT_OF_MEMORY (out of memory)`
fn describe(error: DriverError) -> String {
    let name =
        error.error_name().map_or_else(|_| format!("{:?}", error.0), |name| name.to_string_lossy().into());
    match error.error_string() {
        Ok(text) => format!("{name} ({})", text.to_string_lossy()),
        Err(_) => name,
    }
}

/// Device memory, from plain `cuMemAlloc`, so that what is free is told truly.
#[derive(Debug)]
pub struct Memory {
    address: sys::CUdeviceptr,
    bytes: u64,
    context: Arc<CudaContext>,
}

impl Drop for Memory {
    fn drop(&mut self) {
        self.context.record_err(self.context.bind_to_thread());
        // SAFETY: the address is from `cuMemAlloc` of this context and is freed only here.
        self.context.record_err(unsafe { result::free_sync(self.address) });
    }
}

impl Cuda {
    fn stream(&self, stream: Stream) -> &CudaStream {
        match stream {
            Stream::Measured => &self.measured,
            Stream::Background => &self.background,
        }
    }

    fn bind(&self) -> Result<()> {
        self.context.bind_to_thread().map_err(failed("using the context"))
    }
}

/// Refuses a copy beyond the end of `memory`, which the driver would let through.
fn check_length(memory: &Memory, offset: u64, bytes: usize) -> Result<()> {
    if offset + bytes as u64 <= memory.bytes {
        return Ok(());
    }
    Err(Error::device(format!("copying {bytes} bytes from {offset} on of memory that has {}", memory.bytes)))
}

impl Gpu for Cuda {
    type Memory = Memory;
    type Module = Arc<CudaModule>;
    type Kernel = CudaFunction;
    type Event = CudaEvent;
    type Graph = CudaGraph;

    const IS_HARDWARE: bool = true;

    fn name(&self) -> String {
        format!("cuda:{}", self.ordinal)
    }

    fn properties(&self) -> &Properties {
        &self.properties
    }

    fn facts(&self) -> DeviceFacts {
        let monitor = self.monitor.as_ref();
        let (major, minor) = self.properties.compute_capability;
        let device = self.context.cu_device();
        let mut salted = b"samebits, device:".to_vec();
        salted.extend_from_slice(&self.uuid);
        DeviceFacts {
            name: self.properties.name.clone(),
            uuid_salted: Some(short_hash(&salted)),
            sm_count: self.properties.sm_count,
            threads: None,
            compute_capability: Some(format!("{major}.{minor}")),
            driver: monitor.and_then(Monitor::driver),
            cuda: probe::driver_version().ok().map(probe::version),
            memory_bytes: self.context.total_mem().ok().map(|bytes| bytes as u64),
            l2_bytes: Some(self.properties.l2_bytes),
            ecc: attribute(device, Attribute::CU_DEVICE_ATTRIBUTE_ECC_ENABLED).ok().map(|on| on != 0),
            mig: monitor.map(Monitor::is_mig),
            max_clock_mhz: attribute(device, Attribute::CU_DEVICE_ATTRIBUTE_CLOCK_RATE)
                .ok()
                .filter(|khz| *khz > 0)
                .map(|khz| khz / 1000),
            shared: self.shared,
        }
    }

    fn throttled(&self) -> Option<bool> {
        self.monitor.as_ref()?.throttled()
    }

    fn clock_mhz(&self) -> Option<u32> {
        self.monitor.as_ref()?.clock_mhz()
    }

    fn visible_as(&self) -> Option<String> {
        let [_, of_a_whole_gpu] = nvml::forms(&self.uuid);
        Some(self.monitor.as_ref().map_or(of_a_whole_gpu, |monitor| monitor.uuid().to_owned()))
    }

    fn fault_counts(&self) -> FaultCounts {
        self.monitor.as_ref().map(Monitor::fault_counts).unwrap_or_default()
    }

    fn free_bytes(&self) -> Result<u64> {
        let (free, _) = self.context.mem_get_info().map_err(failed("asking for free memory"))?;
        Ok(free as u64)
    }

    fn allocate(&self, bytes: u64) -> Result<Memory> {
        self.bind()?;
        let size =
            usize::try_from(bytes).map_err(|_| Error::device(format!("{bytes} bytes are too many")))?;
        // SAFETY: the context is current.
        let address = unsafe { result::malloc_sync(size) }.map_err(failed("allocating"))?;
        Ok(Memory { address, bytes, context: Arc::clone(&self.context) })
    }

    fn address(&self, memory: &Memory) -> u64 {
        memory.address
    }

    fn upload(&self, memory: &Memory, offset: u64, bytes: &[u8]) -> Result<()> {
        check_length(memory, offset, bytes.len())?;
        if bytes.is_empty() {
            return Ok(());
        }
        self.bind()?;
        // SAFETY: both ranges are valid for the length, and stay so until the stream is done.
        unsafe { result::memcpy_htod_async(memory.address + offset, bytes, self.measured.cu_stream()) }
            .and_then(|()| self.measured.synchronize())
            .map_err(failed("copying to the GPU"))
    }

    fn download(&self, memory: &Memory, offset: u64, bytes: &mut [u8]) -> Result<()> {
        check_length(memory, offset, bytes.len())?;
        if bytes.is_empty() {
            return Ok(());
        }
        self.bind()?;
        // SAFETY: both ranges are valid for the length, and stay so until the stream is done.
        unsafe { result::memcpy_dtoh_async(bytes, memory.address + offset, self.measured.cu_stream()) }
            .and_then(|()| self.measured.synchronize())
            .map_err(failed("copying from the GPU"))
    }

    fn fill(&self, memory: &Memory, word: u32) -> Result<()> {
        self.bind()?;
        let words = (memory.bytes / 4) as usize;
        // SAFETY: the memory holds so many words.
        unsafe { sys::cuMemsetD32Async(memory.address, word, words, self.measured.cu_stream()) }
            .result()
            .map_err(failed("filling memory"))
    }

    fn load_module(&self, module: &Module, level: Option<u32>) -> Result<Loaded<Arc<CudaModule>>> {
        let name = module.name;
        let cubin = link::link(&self.context, module, level)?;
        let identity = KernelIdentity { kernel: module.hash(), cubin: short_hash(&cubin) };
        let module = self
            .context
            .load_module(Ptx::from_binary(cubin))
            .map_err(failed(format!("loading kernels/ptx/{name}.ptx")))?;
        Ok(Loaded { module, identity })
    }

    fn jit_levels(&self) -> &'static [u32] {
        &link::LEVELS
    }

    fn kernel(&self, module: &Arc<CudaModule>, entry: &str) -> Result<CudaFunction> {
        self.bind()?;
        module.load_function(entry).map_err(failed("looking up the entry"))
    }

    fn launch(
        &self,
        stream: Stream,
        kernel: &CudaFunction,
        shape: LaunchShape,
        arguments: &[Value],
    ) -> Result<()> {
        let mut builder = self.stream(stream).launch_builder(kernel);
        for argument in arguments {
            match argument {
                Value::U64(value) => builder.arg(value),
                Value::U32(value) => builder.arg(value),
            };
        }
        let config = LaunchConfig {
            grid_dim: shape.grid.into(),
            block_dim: shape.block.into(),
            shared_mem_bytes: shape.shared_bytes,
        };
        // SAFETY: the caller vouches for the arguments.
        unsafe { builder.launch(config) }.map(drop).map_err(failed("launching"))
    }

    fn begin_graph(&self) -> Result<()> {
        self.measured
            .begin_capture(sys::CUstreamCaptureMode::CU_STREAM_CAPTURE_MODE_THREAD_LOCAL)
            .map_err(failed("recording"))
    }

    fn end_graph(&self) -> Result<CudaGraph> {
        let flags = sys::CUgraphInstantiate_flags::CUDA_GRAPH_INSTANTIATE_FLAG_USE_NODE_PRIORITY;
        let graph = self.measured.end_capture(flags).map_err(failed("ending the recording"))?;
        graph.ok_or_else(|| Error::device("nothing was recorded"))
    }

    fn launch_graph(&self, graph: &CudaGraph) -> Result<()> {
        graph.launch().map_err(failed("launching a graph"))
    }

    /// A context that is not the primary one, which another owner in this process could keep alive: it ends with
    /// what is made here.
    fn reopen(&self) -> Result<Self> {
        let context = CudaContext::new_non_primary(self.ordinal, 0).map_err(failed("creating a context"))?;
        let (measured, background) = streams(&self.name(), &context)?;
        Ok(Self {
            ordinal: self.ordinal,
            shared: self.shared,
            properties: self.properties.clone(),
            uuid: self.uuid,
            monitor: Monitor::open(&self.uuid),
            measured,
            background,
            context,
        })
    }

    fn event(&self) -> Result<CudaEvent> {
        self.context
            .new_event(Some(sys::CUevent_flags::CU_EVENT_DEFAULT))
            .map_err(failed("creating an event"))
    }

    fn record(&self, stream: Stream, event: &CudaEvent) -> Result<()> {
        event.record(self.stream(stream)).map_err(failed("recording an event"))
    }

    fn wait(&self, event: &CudaEvent) -> Result<()> {
        event.synchronize().map_err(failed("waiting for an event"))
    }

    fn elapsed(&self, start: &CudaEvent, end: &CudaEvent) -> Result<Duration> {
        let milliseconds = start.elapsed_ms(end).map_err(failed("reading events"))?;
        Duration::try_from_secs_f64(f64::from(milliseconds) / 1e3)
            .map_err(|_| Error::device(format!("the time between two events is {milliseconds} ms")))
    }

    fn synchronize(&self, stream: Stream) -> Result<()> {
        self.stream(stream).synchronize().map_err(failed("executing"))
    }
}
