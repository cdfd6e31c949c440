//! Workers of the real program: the bits of this process again, and what is refused.

use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use samebits::device::select::select;
use samebits::device::{Problem, Series};
use samebits::guarantee::Guarantee;
use samebits::input::{Distribution, generate};
use samebits::operation::{self, Algorithm, Form};
use samebits::tensor::{Dtype, Tensor};
use samebits::worker::{Inputs, Order, Workers};
use samebits::workload::{Given, Workload};

use crate::place::Place;

/// Thread instructions that a simulated execution here may take.
const INSTRUCTIONS: u64 = 1_000_000;
/// Longer than any worker here takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(120);

fn workers() -> Workers {
    Workers { program: env!("CARGO_BIN_EXE_samebits").into(), timeout: PATIENCE }
}

fn problem(operation: &str, shape: &str, dtype: Dtype) -> Problem {
    let operation = operation::find(operation).unwrap();
    let shape = operation.shape(shape).unwrap();
    let new = Workload::new("of a test", operation, shape, dtype, Distribution::Wide);
    let workload = Workload { seed: u64::MAX - 4, ..new };
    let inputs = generate(&operation.inputs(&workload), workload.input, workload.seed);
    Problem { workload, inputs }
}

/// The algorithms that take the problem, and give the same bits again.
fn steady(problem: &Problem) -> Vec<&'static Algorithm> {
    let workload = &problem.workload;
    let takes = |algorithm: &&Algorithm| {
        algorithm.guarantee != Guarantee::NotGuaranteed
            && algorithm.dtypes.contains(&workload.dtype)
            && workload.operation.reason_to_skip(Form::Own(algorithm), workload).is_none()
    };
    workload.operation.algorithms().iter().filter(takes).collect()
}

fn order<'a>(
    device: &'a str,
    problem: &'a Problem,
    inputs: Inputs,
    algorithms: &'a [&'static Algorithm],
) -> Order<'a> {
    let series = Series { executions: 9, seed: 40, varies: true };
    Order {
        device,
        most_instructions: INSTRUCTIONS,
        problem,
        inputs,
        algorithms,
        coming: series.execution(5),
    }
}

/// The same order in this process.
fn here(order: &Order) -> Vec<Vec<Tensor>> {
    let selected = select(order.device, true, INSTRUCTIONS).unwrap();
    let device = &selected.devices[0];
    if let Some(simulation) = device.simulation() {
        simulation.set_schedule(order.coming.seed);
    }
    let Problem { workload, inputs } = order.problem;
    let copy = Problem { workload: workload.clone(), inputs: inputs.clone() };
    let staged = device.stage(Arc::new(copy)).unwrap();
    let execute = |algorithm: &&'static Algorithm| {
        let mut prepared = staged.prepare(algorithm).unwrap();
        prepared.execute(order.coming.poison).unwrap();
        prepared.outputs().unwrap().to_vec()
    };
    order.algorithms.iter().map(execute).collect()
}

fn there(order: &Order) -> Vec<Vec<Tensor>> {
    workers().execute(order, &|| Ok(())).unwrap().into_iter().map(|outputs| outputs.unwrap()).collect()
}

/// Bytes, since a NaN equals nothing.
fn bytes(all: &[Vec<Tensor>]) -> Vec<Vec<(&str, Dtype, &[u8])>> {
    let of_one = |tensor| -> (&str, Dtype, &[u8]) {
        let tensor: &Tensor = tensor;
        (tensor.name, tensor.dtype(), tensor.bytes())
    };
    all.iter().map(|outputs| outputs.iter().map(of_one).collect()).collect()
}

#[test]
fn a_worker_gives_the_bits_of_this_process() {
    for (operation, shape) in
        [("reduce", "r=3;c=5000"), ("matmul", "m=33;n=65;k=130"), ("batch_norm", "n=3;c=5;h=9;w=7")]
    {
        for dtype in Dtype::ALL {
            let problem = problem(operation, shape, dtype);
            let algorithms = steady(&problem);
            assert!(algorithms.len() > 1, "{operation} {dtype}");
            let expected = here(&order("cpu", &problem, Inputs::Made, &algorithms));
            for inputs in [Inputs::Made, Inputs::Read] {
                let given = there(&order("cpu", &problem, inputs, &algorithms));
                assert_eq!(bytes(&given), bytes(&expected), "{operation} {dtype} {inputs:?}");
            }
        }
    }
}

#[test]
fn a_simulation_follows_the_schedule_of_the_order() {
    let problem = problem("reduce", "n=3000", Dtype::F32);
    let algorithms: Vec<_> = problem.workload.operation.algorithms().iter().collect();
    let atomic =
        algorithms.iter().filter(|algorithm| algorithm.guarantee == Guarantee::NotGuaranteed).count();
    assert!(atomic > 0, "the order of their additions is the schedule's");
    for inputs in [Inputs::Made, Inputs::Read] {
        let order = order("sim", &problem, inputs, &algorithms);
        assert_eq!(bytes(&there(&order)), bytes(&here(&order)), "{inputs:?}");
    }
}

#[test]
fn what_a_device_refuses_is_told_and_the_rest_goes_on() {
    let problem = problem("reduce", "r=64;c=4096", Dtype::F32);
    let algorithms = steady(&problem);
    // So few that every execution counts as endless.
    let order = Order { most_instructions: 1, ..order("sim", &problem, Inputs::Made, &algorithms) };
    let all = workers().execute(&order, &|| Ok(())).unwrap();
    assert_eq!(all.len(), algorithms.len());
    for outputs in all {
        let error = outputs.unwrap_err().to_string();
        assert!(error.contains("instructions") && error.lines().count() == 1, "{error}");
    }
}

#[test]
fn given_weights_go_over_in_the_file_and_others_are_made() {
    let mut problem = problem("matmul", "m=5;n=7;k=9", Dtype::F32);
    let weights = Tensor::f32("weights", (0..63).map(|value| 1.0 / (1.0 + value as f32)).collect());
    let input = problem.inputs.iter().position(|input| input.len() == 63).unwrap();
    problem.inputs[input].data = weights.data.clone();
    problem.workload.given = Some(Given { input, tensor: Arc::new(weights) });
    let algorithms = steady(&problem);
    let order = order("cpu", &problem, Inputs::Made, &algorithms);
    assert_eq!(bytes(&there(&order)), bytes(&here(&order)));
}

#[test]
fn inputs_that_are_not_those_of_the_seed_are_found() {
    let mut problem = problem("reduce", "n=64", Dtype::F32);
    problem.inputs[0].bytes_mut()[0] ^= 1;
    let algorithms = steady(&problem);
    let error =
        workers().execute(&order("cpu", &problem, Inputs::Made, &algorithms), &|| Ok(())).unwrap_err();
    let error = error.to_string();
    assert!(error.contains("the worker ended (exit status: 2): samebits: the input x was made"), "{error}");
    assert!(workers().execute(&order("cpu", &problem, Inputs::Read, &algorithms), &|| Ok(())).is_ok());
}

/// Workers of the real program that keep a copy of what lay in their folder at first, and its name.
fn overheard(place: &Place) -> Workers {
    let program: PathBuf = place.path("program");
    let kept = place.path("kept");
    let text = format!(
        "#!/bin/sh\ncp -r \"$2\" '{0}'\necho \"$2\" >'{0}/where'\nexec '{1}' \"$@\"\n",
        kept.display(),
        env!("CARGO_BIN_EXE_samebits")
    );
    // In a process of its own, so that no child of another test inherits a program that is open for writing.
    let write = "printf %s \"$1\" >\"$2\" && chmod +x \"$2\"";
    let status = Command::new("sh").args(["-c", write, "sh", &text]).arg(&program).status();
    assert!(status.unwrap().success());
    Workers { program, timeout: PATIENCE }
}

#[test]
fn nothing_is_left_of_a_worker() {
    let place = Place::new();
    let problem = problem("reduce", "n=64", Dtype::F16);
    let algorithms = steady(&problem);
    overheard(&place).execute(&order("cpu", &problem, Inputs::Read, &algorithms), &|| Ok(())).unwrap();
    let folder = place.read("kept/where");
    assert!(folder.contains("samebits-worker-"), "{folder}");
    assert!(!std::path::Path::new(folder.trim_end()).exists(), "{folder} is left");
    // All that a worker leaves in a folder that nobody removes.
    place.done("worker kept");
    let names = ["answer.json", "inputs.safetensors", "order.json", "outputs.safetensors", "said", "where"];
    assert_eq!(place.names("kept"), names);
}

#[test]
fn orders_that_cannot_be_carried_out_are_refused() {
    let place = Place::new();
    place.refuses("worker nowhere", &["nowhere", "order.json: cannot read"]);
    let problem = problem("reduce", "n=64", Dtype::F32);
    let algorithms = steady(&problem);
    overheard(&place).execute(&order("cpu", &problem, Inputs::Read, &algorithms), &|| Ok(())).unwrap();
    let whole = place.read("kept/order.json");
    for (from, to, said) in [
        (&whole[..], "{\"device\": 3", "order.json: "),
        (&whole[20..], "", "order.json: EOF while parsing"),
        ("\"program\":\"samebits", "\"program\":\"somebits", "the order is that of somebits"),
        ("\"cpu\"", "\"abacus\"", "unknown device \"abacus\""),
        ("\"reduce\"", "\"sort\"", "unknown operation \"sort\""),
        ("n=64", "n=65", "inputs.safetensors: x is F32 [64] in place of F32 [65]"),
        ("\"f32\"", "\"f8\"", "unknown dtype \"f8\""),
        ("\"fixed_tree\"", "\"tall_tree\"", "reduce has no algorithm \"tall_tree\""),
        ("\"read\":true", "\"read\":false,\"more\":1", "unknown field `more`"),
        ("\"inputs\":[", "\"inputs\":[{\"checksum\":\"\",\"read\":true},", "2 inputs in place of 1"),
    ] {
        assert!(whole.contains(from), "{from} is not in {whole}");
        place.write("kept/order.json", whole.replacen(from, to, 1));
        place.refuses("worker kept", &[said]);
    }
    place.write("kept/order.json", &whole);
    let mut inputs = std::fs::read(place.path("kept/inputs.safetensors")).unwrap();
    *inputs.last_mut().unwrap() ^= 1;
    place.write("kept/inputs.safetensors", &inputs);
    place.refuses("worker kept", &["inputs.safetensors: x has the checksum"]);
    place.write("kept/inputs.safetensors", &inputs[..inputs.len() - 1]);
    place.refuses("worker kept", &["inputs.safetensors: its tensors end at byte"]);
    std::fs::remove_file(place.path("kept/inputs.safetensors")).unwrap();
    place.refuses("worker kept", &["inputs.safetensors: cannot read"]);
}
