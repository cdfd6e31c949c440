//! Plans on the mock GPU.

use std::time::Duration;

use crate::condition::{CodeSetting, Condition};
use crate::device::gpu::fixture::{
    BEYOND, DESTROYS, GREEDY, IDLES, MODULE, NOTHING, UNKNOWN, UPDATES, WRITES, device, problem,
};
use crate::device::gpu::mock::{Call, FILL_NS, LARGE, LAUNCH_NS, Launched, Mock, launches};
use crate::device::gpu::{GpuDevice, Stream, Value};
use crate::device::{Cache, Device, Probe};
use crate::error::Result;
use crate::operation::Work;
use crate::poison::Poison;
use crate::tensor::Tensor;

fn message(result: Result<impl Sized>) -> String {
    let message = result.err().expect("it must fail").to_string();
    assert_eq!(message.lines().count(), 1, "{message}");
    message
}

#[test]
fn poison_reaches_every_buffer_before_every_execution_and_counters_are_zeroed() {
    let (device, mock) = device();
    let staged = device.stage(problem(5)).unwrap();
    let mut prepared = staged.prepare(&WRITES).unwrap();
    for execution in 0..3 {
        let poison = Poison::of_execution(execution);
        mock.take_calls();
        prepared.execute(poison).unwrap();
        let calls = mock.take_calls();
        assert_eq!(calls.last(), Some(&Call::Synchronize(Stream::Measured)));
        let [Launched { saw, .. }] = &launches(&calls)[..] else { panic!("one launch") };
        let [wide, input, narrow, workspace, counters, empty] = &saw[..] else { panic!("{saw:?}") };
        let poisoned = |bytes: &[u8]| bytes.chunks_exact(4).all(|word| word == poison.word().to_le_bytes());
        assert!(wide.iter().all(|byte| *byte == 0), "the plan zeroes it");
        assert_eq!(input[..4], 100f32.to_le_bytes());
        assert!(poisoned(narrow) && narrow.len() >= 6, "its tail too");
        assert!(poisoned(workspace) && poisoned(empty));
        assert!(counters[..8].iter().all(|byte| *byte == 0));
        // The output that the plan zeroes was poisoned before.
        let fills =
            calls.iter().filter(|call| matches!(call, Call::Fill { word, .. } if *word == poison.word()));
        assert_eq!(fills.count(), 4);
        let outputs = prepared.outputs().unwrap();
        assert_eq!(outputs[0], Tensor::f32("wide", vec![1.0; 5]));
        assert_eq!(poison.survivors(&outputs[1]), Some((0, 3)));
    }
}

#[test]
fn arguments_keep_their_order_width_and_address() {
    let (device, mock) = device();
    let staged = device.stage(problem(5)).unwrap();
    let uploads = mock.take_calls();
    let [Call::Upload(_), Call::Upload(second)] = uploads[..] else { panic!("{uploads:?}") };
    let mut prepared = staged.prepare(&WRITES).unwrap();
    prepared.execute(Poison::of_execution(0)).unwrap();
    prepared.outputs().unwrap();
    let calls = mock.take_calls();
    let [Launched { shape, arguments, stream, .. }] = &launches(&calls)[..] else { panic!("one launch") };
    assert_eq!((shape.grid, shape.block, shape.shared_bytes), ([2, 3, 4], [32, 2, 1], 64));
    assert_eq!(*stream, Stream::Measured);
    let filled = |at: usize| {
        calls
            .iter()
            .filter_map(|call| match call {
                Call::Fill { address, .. } => Some(Value::U64(*address)),
                _ => None,
            })
            .nth(at)
            .unwrap()
    };
    let expected = [
        filled(0),
        Value::U32(7),
        Value::U64(second),
        filled(1),
        filled(2),
        filled(3),
        Value::U64(3 << 40),
        filled(4),
    ];
    assert_eq!(arguments[..], expected);
    let downloads: Vec<_> = calls
        .iter()
        .filter_map(|call| match call {
            Call::Download(address) => Some(Value::U64(*address)),
            _ => None,
        })
        .collect();
    assert_eq!(downloads, [filled(0), filled(1)]);
}

#[test]
fn inputs_and_modules_go_to_the_gpu_once_and_come_off_it() {
    let (device, mock) = device();
    {
        let staged = device.stage(problem(5)).unwrap();
        let mut writes = staged.prepare(&WRITES).unwrap();
        let mut idles = staged.prepare(&IDLES).unwrap();
        writes.execute(Poison::of_execution(0)).unwrap();
        idles.execute(Poison::of_execution(0)).unwrap();
        let calls = mock.take_calls();
        assert_eq!(calls.iter().filter(|call| matches!(call, Call::Upload(_))).count(), 2);
        assert_eq!(calls.iter().filter(|call| matches!(call, Call::LoadModule(..))).count(), 1);
        assert_eq!(writes.kernel(), idles.kernel());
        assert_eq!(writes.kernel().kernel, MODULE.hash());
        assert_eq!(mock.live_buffers(), 2 + 5 + 2);
    }
    assert_eq!(mock.live_buffers(), 0);
}

#[test]
fn outputs_are_read_once_per_execution() {
    let (device, mock) = device();
    let staged = device.stage(problem(5)).unwrap();
    let mut prepared = staged.prepare(&WRITES).unwrap();
    for _ in 0..2 {
        prepared.execute(Poison::of_execution(0)).unwrap();
        mock.take_calls();
        prepared.outputs().unwrap();
        assert_eq!(mock.take_calls().len(), 2);
        prepared.outputs().unwrap();
        assert_eq!(mock.take_calls(), []);
    }
}

/// What happens between two consecutive events, and before each first one, as words.
fn phases(calls: &[Call]) -> (Vec<String>, Vec<String>) {
    let (mut outside, mut inside, mut within) = (Vec::new(), Vec::new(), false);
    for call in calls {
        let word = match call {
            Call::Record(_) => {
                within = !within;
                continue;
            }
            Call::Fill { bytes, .. } if *bytes >= LARGE => "flush".to_owned(),
            Call::Fill { .. } => "zero".to_owned(),
            Call::Launch(launched) => launched.entry.clone(),
            other => format!("{other:?}"),
        };
        if within { &mut inside } else { &mut outside }.push(word);
    }
    (outside, inside)
}

#[test]
fn cold_time_leaves_the_flush_out_and_hot_time_the_delay() {
    let (device, mock) = device();
    let staged = device.stage(problem(5)).unwrap();
    let mut prepared = staged.prepare(&WRITES).unwrap();
    // Not executed before: the first call does.
    prepared.time(1, Cache::Cold).unwrap();
    for (cache, before) in [(Cache::Cold, "flush"), (Cache::Hot, "support_delay")] {
        mock.take_calls();
        let total = prepared.time(3, cache).unwrap();
        assert_eq!(total, 3 * Duration::from_nanos(FILL_NS + LAUNCH_NS));
        let (outside, inside) = phases(&mock.take_calls());
        assert_eq!(outside, [before, before, before, "Synchronize(Measured)"]);
        assert_eq!(inside, ["zero", "write_ones"].repeat(3));
    }
}

#[test]
fn the_first_timing_warms_every_kernel_and_zeroes_the_counters() {
    let (device, mock) = device();
    let staged = device.stage(problem(5)).unwrap();
    let mut prepared = staged.prepare(&WRITES).unwrap();
    mock.take_calls();
    prepared.time(1, Cache::Hot).unwrap();
    let calls = mock.take_calls();
    let first_event = calls.iter().position(|call| matches!(call, Call::Record(_))).unwrap();
    let warm = launches(&calls[..first_event]);
    assert_eq!(warm[0].entry, "write_ones");
    assert!(warm[0].saw[4][..8].iter().all(|byte| *byte == 0), "counters");
    assert_eq!(warm[1].arguments, [Value::U64(0)], "the delay");
    // 20 microseconds and 10 for each of the two steps.
    assert_eq!(warm[2].arguments, [Value::U64(40_000)]);
}

#[test]
fn timing_waits_once_per_batch() {
    let (device, mock) = device();
    let staged = device.stage(problem(5)).unwrap();
    let mut prepared = staged.prepare(&IDLES).unwrap();
    prepared.time(1, Cache::Hot).unwrap();
    mock.take_calls();
    let total = prepared.time(130, Cache::Hot).unwrap();
    assert_eq!(total, 130 * 2 * Duration::from_nanos(LAUNCH_NS));
    let waits = mock.take_calls().into_iter().filter(|call| matches!(call, Call::Synchronize(_)));
    assert_eq!(waits.count(), 3);
    assert_eq!(prepared.time(0, Cache::Cold).unwrap(), Duration::ZERO);
}

#[test]
fn a_plan_without_steps_and_buffers_without_elements_work() {
    let (device, mock) = device();
    let staged = device.stage(problem(0)).unwrap();
    for algorithm in [&NOTHING, &WRITES] {
        let mut prepared = staged.prepare(algorithm).unwrap();
        prepared.execute(Poison::of_execution(3)).unwrap();
        let outputs = prepared.outputs().unwrap();
        assert_eq!(outputs[0].len(), 0);
        assert!(Poison::of_execution(3).survivors(&outputs[1]).is_some());
        prepared.time(2, Cache::Cold).unwrap();
    }
    for launched in launches(&mock.take_calls()) {
        assert!(!launched.arguments.contains(&Value::U64(0)) || launched.entry == "support_delay");
    }
}

#[test]
fn what_cannot_be_prepared_or_executed_says_why() {
    let mut mock = Mock::new();
    mock.largest = 1 << 20;
    let device = GpuDevice::new(mock.clone());
    let staged = device.stage(problem(5)).unwrap();
    let refused = |algorithm| message(staged.prepare(algorithm));
    assert_eq!(refused(&UNKNOWN), "pairs/unknown: missing: no such entry");
    let beyond = refused(&BEYOND);
    assert!(beyond.starts_with("pairs/beyond: idle: the plan refers to workspace 0, which"), "{beyond}");
    let destroys = refused(&DESTROYS);
    assert!(destroys.starts_with("pairs/destroys: zeroing: the plan writes to input 0"), "{destroys}");
    assert_eq!(refused(&GREEDY), "pairs/greedy: workspace 0 (1073741824 bytes): out of memory");
    let large = message(device.stage(problem(1 << 19)));
    assert_eq!(large, "test: input \"a\" (2097152 bytes): out of memory");
    let mut idles = staged.prepare(&IDLES).unwrap();
    *mock.failure.borrow_mut() = Some("illegal address".to_owned());
    let failed = message(idles.execute(Poison::of_execution(0)));
    assert_eq!(failed, "pairs/idles: idle, idle: illegal address");
}

#[test]
fn the_read_probe_reads_every_input_and_has_no_outputs() {
    let (device, mock) = device();
    let staged = device.stage(problem(9)).unwrap();
    let Probe { prepared: mut probe, work } = staged.probe(Work::Bytes(1)).unwrap();
    assert_eq!(work, Work::Bytes(2 * 9 * 4));
    probe.execute(Poison::of_execution(0)).unwrap();
    let launched = launches(&mock.take_calls());
    assert_eq!(launched.len(), 2);
    for Launched { entry, shape, arguments, saw, .. } in launched {
        assert_eq!(entry, "support_read");
        assert_eq!((shape.grid, shape.block), ([24, 1, 1], [256, 1, 1]));
        assert_eq!(arguments[1], Value::U64(9 * 4 / 16));
        assert_eq!((saw[0].len(), saw[1].len()), (36, 16));
    }
    assert_eq!(probe.outputs().unwrap(), []);
    assert_eq!(probe.time(2, Cache::Cold).unwrap(), 4 * Duration::from_nanos(LAUNCH_NS));
}

#[test]
fn the_fma_probe_says_what_it_does() {
    let (device, mock) = device();
    let staged = device.stage(problem(9)).unwrap();
    let Probe { prepared: mut probe, work } = staged.probe(Work::Flops(1)).unwrap();
    probe.execute(Poison::of_execution(0)).unwrap();
    let [Launched { entry, shape, arguments, .. }] = &launches(&mock.take_calls())[..] else { panic!("one") };
    assert_eq!((entry.as_str(), shape.grid, shape.block), ("support_fma", [24, 1, 1], [256, 1, 1]));
    let Value::U32(rounds) = arguments[0] else { panic!("{arguments:?}") };
    // The chains of a thread, as the committed source has them.
    let source = include_str!("../../../kernels/support.cu");
    let chains: u64 = source
        .lines()
        .find_map(|line| line.trim().strip_prefix("constexpr u32 FMA_CHAINS = ")?.strip_suffix(';'))
        .unwrap()
        .parse()
        .unwrap();
    assert_eq!(work, Work::Flops(2 * chains * u64::from(rounds) * 24 * 256));
}

#[test]
fn what_is_updated_in_place_starts_as_its_input_and_accumulators_are_not_timed() {
    let (device, mock) = device();
    let staged = device.stage(problem(5)).unwrap();
    let mut prepared = staged.prepare(&UPDATES).unwrap();
    let start: Vec<u8> = (100..105).flat_map(|value| (value as f32).to_le_bytes()).collect();
    for execution in 0..2 {
        mock.take_calls();
        prepared.execute(Poison::of_execution(execution)).unwrap();
        let [Launched { saw, arguments, .. }] = &launches(&mock.take_calls())[..] else { panic!("one") };
        assert_eq!(saw[0][..20], start[..], "restored before every execution");
        assert_eq!(arguments[2], Value::U32(0.5f32.to_bits()));
        assert_ne!(arguments[1], Value::U64(0), "the accumulator is compared");
    }
    mock.take_calls();
    prepared.time(1, Cache::Cold).unwrap();
    let timed = launches(&mock.take_calls());
    assert_eq!(timed.last().unwrap().arguments[1], Value::U64(0), "and not timed");
    assert_ne!(timed.last().unwrap().arguments[0], Value::U64(0));
}

#[test]
fn the_load_varies_stays_two_launches_ahead_and_ends() {
    let (device, mock) = device();
    let mut load = device.load(crate::device::Strength::USUAL).unwrap();
    mock.take_calls();
    for _ in 0..200 {
        load.renew().unwrap();
    }
    let calls = mock.take_calls();
    let mut in_flight = 1; // The launch that warmed it up.
    for call in &calls {
        match call {
            Call::Launch(_) => in_flight += 1,
            Call::Wait => in_flight -= 1,
            _ => {}
        }
        assert!(in_flight <= 2);
    }
    let launched = launches(&calls);
    let blocks = |launched: &Launched| launched.shape.grid[0];
    for at in &launched {
        let [Value::U64(_), Value::U64(words), Value::U32(rounds), Value::U32(_)] = at.arguments[..] else {
            panic!("{:?}", at.arguments)
        };
        assert_eq!(at.stream, Stream::Background);
        assert!((1..=6).contains(&blocks(at)) && (8..=24).contains(&rounds));
        assert!(words * 16 <= at.saw[0].len() as u64);
    }
    for grid in 1..=6 {
        assert!(launched.iter().any(|at| blocks(at) == grid), "{grid}");
    }
    drop(load);
    assert_eq!(mock.take_calls(), [Call::Synchronize(Stream::Background)]);
    assert_eq!(mock.live_buffers(), 0);
}

#[test]
fn ptx_that_is_too_new_for_a_driver_is_not_tried() {
    assert_eq!(super::newer_than_driver((12, 0), "12.0"), None);
    assert_eq!(super::newer_than_driver((12, 9), "13.0"), None);
    assert!(super::newer_than_driver((13, 5), "13.0").unwrap().contains("13.5 is newer"));
    assert!(super::newer_than_driver((12, 10), "12.9").unwrap().contains("SAMEBITS_NVRTC"));
    assert_eq!(super::newer_than_driver((13, 5), "unknown"), None);
}

/// What a condition changes in what is asked of a GPU.
fn calls_under(condition: Condition) -> Vec<Call> {
    let (device, mock) = device();
    let staged = device.stage(problem(3)).unwrap();
    let mut usual = staged.prepare(&WRITES).unwrap();
    usual.execute(Poison::of_execution(0)).unwrap();
    let expected = usual.outputs().unwrap().to_vec();
    mock.take_calls();
    let mut prepared = staged.prepare_under(&WRITES, condition).unwrap();
    prepared.execute(Poison::of_execution(1)).unwrap();
    assert_eq!(prepared.outputs().unwrap()[0], expected[0], "{condition:?}");
    mock.take_calls()
}

#[test]
fn a_condition_reaches_the_launch() {
    let usual = calls_under(Condition::Usual);
    let plain = &launches(&usual)[0];
    assert_eq!(
        (plain.stream, plain.shape.grid, plain.shape.block),
        (Stream::Measured, [2, 3, 4], [32, 2, 1])
    );
    assert!(!usual.iter().any(|call| matches!(call, Call::LoadModule(..))), "it is loaded already");

    let calls = calls_under(Condition::Shape { blocks: 5, threads: 1024 });
    let shaped = &launches(&calls)[0];
    assert_eq!((shaped.shape.grid, shaped.shape.block), ([5, 1, 1], [512, 1, 1]), "no more than is legal");

    let calls = calls_under(Condition::Multiprocessors(9));
    assert!(launches(&calls)[0].arguments.contains(&Value::U64(9 << 40)), "the plan is that of another GPU");

    let calls = calls_under(Condition::FreshModule);
    assert_eq!(calls.iter().filter(|call| matches!(call, Call::LoadModule(_, None))).count(), 1);

    let calls = calls_under(Condition::Code(CodeSetting::JitLevel(3)));
    assert_eq!(calls.iter().filter(|call| matches!(call, Call::LoadModule(_, Some(3)))).count(), 1);

    let calls = calls_under(Condition::OtherStream);
    assert!(launches(&calls).iter().all(|launched| launched.stream == Stream::Background));
    // The fill before it is in the measured stream, and waited for.
    let launch = calls.iter().position(|call| matches!(call, Call::Launch(_))).unwrap();
    let fill = calls[..launch].iter().rposition(|call| matches!(call, Call::Fill { .. })).unwrap();
    assert!(calls[fill..launch].contains(&Call::Synchronize(Stream::Measured)));

    let calls = calls_under(Condition::Graph);
    let begun = calls.iter().position(|call| *call == Call::BeginGraph).unwrap();
    assert!(
        calls[..begun].iter().any(|call| matches!(call, Call::Launch(_))),
        "loaded before it is recorded"
    );
    assert!(calls[begun..].iter().any(|call| matches!(call, Call::LaunchGraph(_))));
}

#[test]
fn an_offset_moves_every_buffer_and_nothing_else() {
    let arguments = |condition| {
        let calls = calls_under(condition);
        let launched = launches(&calls).remove(0);
        launched.arguments
    };
    let (usual, moved) = (arguments(Condition::Usual), arguments(Condition::Offset(4)));
    let low = |value: &Value| match value {
        Value::U64(address) => address % 256,
        Value::U32(_) => u64::MAX,
    };
    // Outputs and inputs by one element, workspaces by 16 bytes.
    assert_eq!([0, 2, 3].map(|place| (low(&usual[place]), low(&moved[place]))), [(0, 4); 3]);
    assert_eq!([4, 5, 7].map(|place| (low(&usual[place]), low(&moved[place]))), [(0, 16); 3]);
    assert_eq!((usual[1], usual[6]), (moved[1], moved[6]));
}

#[test]
fn a_device_is_opened_again() {
    let (device, _) = device();
    let again = device.reopened().unwrap();
    let staged = again.stage(problem(2)).unwrap();
    let mut prepared = staged.prepare(&WRITES).unwrap();
    prepared.execute(Poison::of_execution(0)).unwrap();
    assert_eq!(prepared.outputs().unwrap()[0], Tensor::f32("wide", vec![1.0; 2]));
}
