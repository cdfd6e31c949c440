//! PTX that Triton compiled (`scripts/peers/triton_corpus.py`, which also says what the files mean): every
//! kernel computes what numpy says it does, under several schedules. Outputs that no other block adds to
//! must not depend on the schedule in a single bit; and `explore` must say of each what its source shows.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use half::{bf16, f16};
use serde::Deserialize;
use sha2::{Digest, Sha256};

use samebits::explore::schedules::Ready;
use samebits::explore::verdict::{Explored, Finding, Verdict};
use samebits::explore::{Settings, explore_ready};
use samebits::simt::{Argument, FaultKind, Launch, Memory, Module, Options, Schedule};

/// A kernel with its launch, or with the instruction that is refused.
#[derive(Deserialize)]
#[serde(untagged)]
enum Case {
    Executed {
        ptx: String,
        sha256: String,
        entry: String,
        grid: [u32; 3],
        block: [u32; 3],
        shared_bytes: u32,
        arguments: Vec<Parameter>,
    },
    Refused {
        ptx: String,
        sha256: String,
        /// What the first refused instruction may be.
        refused: Vec<String>,
    },
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Parameter {
    Scalar {
        scalar: Dtype,
        value: f64,
    },
    Output {
        buffer: Dtype,
        length: usize,
        fill: Option<Fill>,
        expected: Vec<f64>,
        absolute: f64,
        relative: f64,
    },
    Input {
        buffer: Dtype,
        length: usize,
        fill: Fill,
    },
}

#[derive(Deserialize, Clone, Copy, PartialEq, Debug)]
#[serde(rename_all = "lowercase")]
enum Dtype {
    F16,
    Bf16,
    F32,
    F64,
    S8,
    S32,
    S64,
    E4m3,
}

#[derive(Deserialize)]
#[serde(untagged, deny_unknown_fields)]
enum Fill {
    Formula { seed: u64, modulus: u64, divisor: u64, offset: f64 },
    Codes { codes: Vec<u8>, seed: u64 },
    Values { values: Vec<f64> },
    Zero { zero: bool },
}

impl Dtype {
    fn is_integer(self) -> bool {
        matches!(self, Self::S8 | Self::S32 | Self::S64)
    }

    fn width(self) -> usize {
        match self {
            Self::S8 | Self::E4m3 => 1,
            Self::F16 | Self::Bf16 => 2,
            Self::F32 | Self::S32 => 4,
            Self::F64 | Self::S64 => 8,
        }
    }

    /// The bytes of a value that the type holds exactly.
    fn bytes(self, value: f64) -> Vec<u8> {
        let bytes = match self {
            Self::F16 => f16::from_f64(value).to_le_bytes().to_vec(),
            Self::Bf16 => bf16::from_f64(value).to_le_bytes().to_vec(),
            Self::F32 => (value as f32).to_le_bytes().to_vec(),
            Self::F64 => value.to_le_bytes().to_vec(),
            Self::S8 => (value as i8).to_le_bytes().to_vec(),
            Self::S32 => (value as i32).to_le_bytes().to_vec(),
            Self::S64 => (value as i64).to_le_bytes().to_vec(),
            Self::E4m3 => panic!("e4m3 comes as codes"),
        };
        assert_eq!(self.value(&bytes), value, "{self:?} does not hold {value}");
        bytes
    }

    fn value(self, bytes: &[u8]) -> f64 {
        match self {
            Self::F16 => f16::from_le_bytes(bytes.try_into().unwrap()).to_f64(),
            Self::Bf16 => bf16::from_le_bytes(bytes.try_into().unwrap()).to_f64(),
            Self::F32 => f32::from_le_bytes(bytes.try_into().unwrap()).into(),
            Self::F64 => f64::from_le_bytes(bytes.try_into().unwrap()),
            Self::S8 => i8::from_le_bytes(bytes.try_into().unwrap()).into(),
            Self::S32 => i32::from_le_bytes(bytes.try_into().unwrap()).into(),
            Self::S64 => i64::from_le_bytes(bytes.try_into().unwrap()) as f64,
            Self::E4m3 => panic!("no kernel writes e4m3"),
        }
    }
}

impl Fill {
    fn bytes(&self, dtype: Dtype, length: usize) -> Vec<u8> {
        let hash = |i: usize, seed: u64| ((i as u64 + seed).wrapping_mul(2_654_435_761) & 0xffff_ffff) >> 8;
        match self {
            Self::Formula { seed, modulus, divisor, offset } => {
                let element = |i| {
                    let draw = hash(i, *seed) % modulus;
                    let scaled = if dtype.is_integer() {
                        (draw / divisor) as f64
                    } else {
                        draw as f64 / *divisor as f64
                    };
                    dtype.bytes(scaled - offset)
                };
                (0..length).flat_map(element).collect()
            }
            Self::Codes { codes, seed } => {
                (0..length).map(|i| codes[(hash(i, *seed) % codes.len() as u64) as usize]).collect()
            }
            Self::Values { values } => {
                assert_eq!(values.len(), length);
                values.iter().flat_map(|value| dtype.bytes(*value)).collect()
            }
            Self::Zero { zero } => {
                assert!(zero);
                vec![0; length * dtype.width()]
            }
        }
    }
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/simt/triton")
}

/// The case of that name, and its PTX, which must be what the script wrote.
fn read(name: &str) -> (Case, String) {
    let text = fs::read_to_string(folder().join(format!("{name}.json"))).unwrap();
    let case: Case = serde_json::from_str(&text).unwrap();
    let (Case::Executed { ptx, sha256, .. } | Case::Refused { ptx, sha256, .. }) = &case;
    let ptx = fs::read_to_string(folder().join(ptx)).unwrap();
    let digest: String = Sha256::digest(ptx.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(digest, *sha256, "{name}.ptx is not the one that {name}.json describes");
    (case, ptx)
}

/// Lays a kernel's buffers out; its arguments, and names, addresses and bytes of its outputs, in order.
fn lay_out(parameters: &[Parameter], memory: &mut Memory) -> (Vec<Argument>, Vec<(String, u64, usize)>) {
    let (mut arguments, mut outputs) = (Vec::new(), Vec::new());
    for (number, parameter) in parameters.iter().enumerate() {
        let (dtype, length, fill) = match parameter {
            Parameter::Scalar { scalar, value } => {
                arguments.push(match scalar {
                    Dtype::F32 => Argument::F32(*value as f32),
                    Dtype::S32 => Argument::U32(*value as i32 as u32),
                    Dtype::S64 => Argument::U64(*value as i64 as u64),
                    other => panic!("no kernel has a scalar of {other:?}"),
                });
                continue;
            }
            Parameter::Output { buffer, length, fill, .. } => (*buffer, *length, fill.as_ref()),
            Parameter::Input { buffer, length, fill } => (*buffer, *length, Some(fill)),
        };
        let bytes = length * dtype.width();
        let address = memory.allocate(bytes as u64);
        if let Some(fill) = fill {
            memory.write(address, &fill.bytes(dtype, length)).unwrap();
        }
        if matches!(parameter, Parameter::Output { .. }) {
            outputs.push((format!("argument {number}"), address, bytes));
        }
        arguments.push(Argument::U64(address));
    }
    (arguments, outputs)
}

/// Hands a kernel, ready to be launched, to `then`.
fn ready<T>(module: &Arc<Module>, case: &Case, then: impl FnOnce(Ready) -> T) -> T {
    let Case::Executed { entry, grid, block, shared_bytes, arguments, .. } = case else {
        panic!("the case is one to refuse");
    };
    let mut memory = Memory::new();
    let loaded = module.load(&mut memory).unwrap();
    let (arguments, outputs) = lay_out(arguments, &mut memory);
    let launch =
        Launch { entry, grid: *grid, block: *block, shared_bytes: *shared_bytes, arguments: &arguments };
    then(Ready { memory, loaded, launch, outputs, is_whole: false, fuel: Options::default().fuel })
}

/// Executes a kernel once; the outputs' bytes in order.
fn execute(module: &Arc<Module>, case: &Case, schedule: Schedule) -> samebits::simt::Result<Vec<Vec<u8>>> {
    ready(module, case, |mut ready| {
        let options = Options { schedule, ..Options::default() };
        ready.loaded.launch(&ready.launch, &mut ready.memory, &options)?;
        let read = |(_, address, bytes): &(String, u64, usize)| {
            let mut read = vec![0; *bytes];
            ready.memory.read(*address, &mut read).map(|()| read)
        };
        ready.outputs.iter().map(read).collect()
    })
}

/// What `explore` says of a kernel on the arguments of its case.
fn explored(name: &str) -> Explored {
    let (case, ptx) = read(name);
    let module = Arc::new(Module::new(&ptx).unwrap());
    ready(&module, &case, |ready| explore_ready(&ready, &ptx, &Settings::of(crate::certificates::SCHEDULES)))
        .unwrap()
}

/// Checks a kernel against what numpy says, under round-robin and seeded schedules.
fn check(name: &str) {
    let (case, ptx) = read(name);
    let arguments = match &case {
        Case::Executed { arguments, .. } => arguments,
        Case::Refused { refused, .. } => return check_refused(&ptx, refused),
    };
    let module = Arc::new(Module::new(&ptx).unwrap_or_else(|fault| panic!("{name}: {fault}")));
    let schedules =
        std::iter::once(Schedule::RoundRobin).chain((1..=4).map(|seed| Schedule::Random { seed }));
    let mut first: Option<Vec<Vec<u8>>> = None;
    for schedule in schedules {
        let outputs = execute(&module, &case, schedule)
            .unwrap_or_else(|fault| panic!("{name} under {schedule:?}: {fault}"));
        let first = first.get_or_insert_with(|| outputs.clone());
        let mut compared = outputs.iter().zip(first);
        for parameter in arguments {
            let Parameter::Output { buffer, fill, expected, absolute, relative, .. } = parameter else {
                continue;
            };
            let (output, first) = compared.next().unwrap();
            assert_eq!(output.len(), expected.len() * buffer.width());
            for (i, (bytes, expected)) in output.chunks(buffer.width()).zip(expected).enumerate() {
                let value = buffer.value(bytes);
                // serde_json reads numbers to within a unit in the last place.
                let bound = absolute + (relative + f64::EPSILON) * expected.abs();
                let right = (value - expected).abs() <= bound;
                assert!(right, "{name} under {schedule:?}, element {i}: {value}, expected {expected}");
            }
            // What was filled before is added to by several blocks; floating-point sums follow their order.
            if fill.is_none() || buffer.is_integer() {
                assert_eq!(output, first, "{name} depends on the schedule, {schedule:?}");
            }
        }
        assert!(compared.next().is_none());
    }
}

fn check_refused(ptx: &str, instructions: &[String]) {
    let fault = Module::new(ptx).map(drop).unwrap_err();
    assert_eq!(fault.kind, FaultKind::Unsupported, "{fault}");
    assert!(instructions.iter().any(|name| fault.what.contains(name)), "{fault}");
    assert!(fault.place.is_some_and(|place| place.source.is_some()), "the source line is known");
}

/// What must be said of a kernel's bits.
enum Said {
    Independent,
    /// They depend, for reasons on these lines of the source.
    Depends(&'static [u32]),
    /// They may, for reasons on these lines; and between these lines of the source there is a race.
    MayDepend(&'static [u32], &'static [[u32; 2]]),
    /// Nothing: it is not executed.
    Refused,
}

/// Checks what `explore` says of a kernel.
fn check_said(name: &str, said: &Said) {
    let (verdict, lines, races): (_, &[u32], &[[u32; 2]]) = match said {
        Said::Refused => return,
        Said::Independent => (Verdict::Independent, &[], &[]),
        Said::Depends(lines) => (Verdict::Depends, lines, &[]),
        Said::MayDepend(lines, races) => (Verdict::MayDepend, lines, races),
    };
    let found = explored(name);
    assert_eq!(found.verdict, verdict, "{name}: {found:#?}");
    let line = |finding: &Finding| finding.source.as_ref().map_or(0, |(_, line)| *line);
    let mut named: Vec<u32> = found.why.iter().map(line).collect();
    named.sort_unstable();
    named.dedup();
    assert_eq!(named, lines, "{name}: {:#?}", found.why);
    assert_eq!(found.races.len(), races.len(), "{name}: {:#?}", found.races);
    for (race, [first, second]) in found.races.iter().zip(races) {
        let is_there = line(race) == *second && race.what.contains(&format!("triton_kernels.py:{first})"));
        assert!(is_there, "{name}: {race:#?}");
    }
}

macro_rules! kernels {
    ($($name:ident: $said:expr,)*) => {
        $(#[test]
        fn $name() {
            check(stringify!($name));
            check_said(stringify!($name), &$said);
        })*

        /// Every file of the folder is one of the kernels above.
        #[test]
        fn all_files_are_tested() {
            let known = [$(stringify!($name)),*];
            for entry in fs::read_dir(folder()).unwrap() {
                let path = entry.unwrap().path();
                let stem = path.file_stem().unwrap().to_str().unwrap().to_owned();
                assert!(known.contains(&stem.as_str()), "{stem} is in the folder and in no test");
            }
        }
    };
}

kernels! {
    atomic_scatter: Said::Depends(&[155, 156]),
    // Floats are added in any order; on these inputs every partial sum is exact, so that none shows it.
    atomic_sum: Said::MayDepend(&[144], &[]),
    attention: Said::Independent,
    convert: Said::Independent,
    functions: Said::Independent,
    half_arithmetic: Said::Independent,
    integers: Said::Independent,
    layer_norm: Said::Independent,
    // A lock orders nothing for certain. And all threads of a block read what its first one then overwrites, before the
    // next barrier: only the lanes' running in step orders that.
    locked_sum: Said::MayDepend(&[163, 165, 166], &[[166, 165]]),
    matmul_bf16: Said::Independent,
    matmul_e4m3: Said::Independent,
    matmul_f16: Said::Independent,
    matmul_f16_sum: Said::Independent,
    matmul_f16_turing: Said::Independent,
    matmul_f64: Said::Independent,
    matmul_hopper: Said::Independent,
    matmul_pipelined: Said::Independent,
    matmul_s8: Said::Independent,
    matmul_tf32: Said::Independent,
    matmul_wgmma: Said::Refused,
    random_bits: Said::Independent,
    reduce_rows: Said::Depends(&[182]),
    scan: Said::Independent,
    segments: Said::Independent,
    softmax: Said::Independent,
    sort_and_count: Said::Independent,
    vector_add: Said::Independent,
}
