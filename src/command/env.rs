//! `samebits env`: what this machine is. What cannot be collected is said so, and is no error.

use crate::command::{End, aligned, print};
use crate::device::cpu::Cpu;
use crate::device::sim::{DEFAULT_MOST_INSTRUCTIONS, Sim};
use crate::device::{Device, cuda, memory};
use crate::environment::Environment;
use crate::error::Result;

const UNKNOWN: &str = "could not collect";

/// Prints the machine, its CPU device, the simulated GPU and the real ones.
pub fn env() -> Result<End> {
    let mut devices: Vec<Box<dyn Device>> =
        vec![Box::new(Cpu::new()?), Box::new(Sim::new(DEFAULT_MOST_INSTRUCTIONS))];
    let mut rows = Vec::new();
    match cuda::probe() {
        Ok(count) => {
            for ordinal in 0..count {
                match cuda::open(ordinal as usize, true) {
                    Ok(device) => devices.push(Box::new(device)),
                    Err(error) => rows.push(row(&format!("cuda:{ordinal}"), Some(error.to_string()))),
                }
            }
        }
        Err(reason) => rows.push(row("cuda", Some(reason))),
    }
    let environment = Environment::collect(&devices);
    let gib = |bytes: u64| format!("{:.1} GiB", bytes as f64 / f64::from(1 << 30));
    let mut all = vec![
        row("samebits", Some(format!("{} ({})", environment.samebits, environment.revision))),
        row("system", environment.os.clone()),
        row("kernel", environment.kernel.clone()),
        row("processor", environment.cpu.clone()),
        row("instructions", Some(format!("{} {}", environment.arch, environment.cpu_features.join(" ")))),
        row("cores", environment.cores.map(|cores| cores.to_string())),
        row("memory", environment.memory_bytes.map(gib)),
        row("free memory", memory::available().map(gib)),
        row("container", Some(if environment.container { "yes" } else { "no" }.to_owned())),
    ];
    for (name, hash) in &environment.kernels {
        all.push(row(&format!("kernels/{name}"), Some(format!("PTX {hash}"))));
    }
    for (name, facts) in &environment.devices {
        all.push(row(name, Some(facts.name.clone())));
        let mut fact = |label: &str, value: Option<String>| all.push(row(&format!("  {label}"), value));
        match facts.threads {
            Some(threads) => {
                fact("threads", Some(threads.to_string()));
                fact("nominal multiprocessors", Some(facts.sm_count.to_string()));
            }
            None => {
                fact("multiprocessors", Some(facts.sm_count.to_string()));
                fact("compute capability", facts.compute_capability.clone());
                fact("driver", facts.driver.clone());
                fact("CUDA of the driver", facts.cuda.clone());
                fact("memory", facts.memory_bytes.map(gib));
                fact("second-level cache", facts.l2_bytes.map(|bytes| format!("{} KiB", bytes >> 10)));
                fact("error correction", facts.ecc.map(|on| if on { "on" } else { "off" }.to_owned()));
                fact("MIG instance", facts.mig.map(|on| if on { "yes" } else { "no" }.to_owned()));
                fact("highest clock", facts.max_clock_mhz.map(|mhz| format!("{mhz} MHz")));
            }
        }
    }
    all.extend(rows);
    print(&aligned(all))?;
    Ok(End::Done)
}

fn row(label: &str, value: Option<String>) -> Vec<String> {
    vec![label.to_owned(), value.unwrap_or_else(|| UNKNOWN.to_owned())]
}
