//! The real program against a torch that is played: what it sets, what lies between its events, how streams are used.
//! No GPU is needed, and nothing here says that a real one does as told.

use super::*;
use crate::operation::{Operation, cumsum::CumSum};

/// Stands before the program, so that its `import torch` finds it.
const TORCH: &str = include_str!("fake_torch.py");

/// A peer on a played GPU, with these keys set otherwise than usual.
fn on_gpu(changed: &[(&str, &str)]) -> Peer {
    let place = Place::Cuda { visible: "GPU-0".to_owned(), l2_bytes: 5 };
    let wanted = |setting: &PeerSetting| {
        let usual = PeerSetting::all(PeerName::Torch, &place).remove(0);
        let apart = usual.values().iter().filter(|(key, value)| setting.values()[*key] != **value).count();
        apart == changed.len() && changed.iter().all(|(key, value)| setting.values()[key] == *value)
    };
    let setting = PeerSetting::all(PeerName::Torch, &place).into_iter().find(wanted).unwrap();
    let program = Cow::Owned(format!("{TORCH}\n{}", PeerName::Torch.program()));
    Peer::new(PeerName::Torch, program, Path::new("python3"), place, setting).unwrap()
}

fn problem() -> Problem {
    let shape = CumSum.shape("r=1;c=4").unwrap();
    let workload = Workload::new("test", &CumSum, shape, Dtype::F32, Distribution::Uniform);
    Problem { workload, inputs: vec![Tensor::f32("x", vec![1.0, 2.0, 3.0, 4.0])] }
}

fn prepare<'a>(peer: &'a Peer, problem: &Problem) -> Result<Box<dyn Prepared + 'a>> {
    let way = &CumSum.peers()[0];
    peer.prepare(way, problem, CumSum.outputs(Form::Foreign(way, Precision::F32), &problem.workload))
}

/// What the played torch was told, as its version says.
fn told_to(peer: &Peer) -> serde_json::Value {
    peer.be_ready().unwrap();
    serde_json::from_str(&peer.version.borrow()).unwrap()
}

#[test]
fn each_key_sets_its_own_switch() {
    let usual = told_to(&on_gpu(&[]));
    let expected = json!({
        "grad": false,
        "deterministic": false,
        "cudnn.benchmark": false,
        "cudnn.deterministic": false,
        "cudnn.allow_tf32": true,
        "matmul.allow_tf32": false,
        "matmul.allow_fp16_reduced_precision_reduction": true,
    });
    assert_eq!(usual, expected);
    for (key, value, switch) in [
        ("deterministic", "1", "deterministic"),
        ("cudnn_benchmark", "1", "cudnn.benchmark"),
        ("cudnn_deterministic", "1", "cudnn.deterministic"),
        ("cudnn_tf32", "0", "cudnn.allow_tf32"),
        ("matmul_tf32", "1", "matmul.allow_tf32"),
        ("reduced_precision", "0", "matmul.allow_fp16_reduced_precision_reduction"),
    ] {
        let mut expected = expected.clone();
        expected[switch] = json!(value == "1");
        assert_eq!(told_to(&on_gpu(&[(key, value)])), expected, "{key}");
    }
}

#[test]
fn only_the_call_lies_between_the_events() {
    let (peer, problem) = (on_gpu(&[]), problem());
    let mut prepared = prepare(&peer, &problem).unwrap();
    prepared.execute(Poison::of_execution(0)).unwrap();
    assert_eq!(prepared.outputs().unwrap(), [Tensor::f32("sums", vec![1.0, 3.0, 6.0, 10.0])]);
    // A call takes 3 ms of its time, a flush 100, a delay 1000; more than one batch of events.
    for cache in [Cache::Cold, Cache::Hot] {
        assert_eq!(prepared.time(130, cache).unwrap(), Duration::from_millis(3 * 130));
    }
}

#[test]
fn calls_in_several_streams_take_turns_and_share_the_time() {
    let (peer, problem) = (on_gpu(&[("streams", "4")]), problem());
    let mut prepared = prepare(&peer, &problem).unwrap();
    // The played torch adds to what is computed in its third stream.
    let mut firsts = Vec::new();
    for execution in 0..8 {
        prepared.execute(Poison::of_execution(execution)).unwrap();
        firsts.push(prepared.outputs().unwrap()[0].value(0));
    }
    assert_eq!(firsts, [1.0, 1.0, 1.5, 1.0, 1.0, 1.0, 1.5, 1.0]);
    assert_eq!(prepared.time(1, Cache::Cold).unwrap(), Duration::from_millis(3));
}

#[test]
fn what_torch_refuses_to_be_deterministic_in_is_no_failure() {
    let (peer, problem) = (on_gpu(&[("deterministic", "1")]), problem());
    let mut prepared = prepare(&peer, &problem).unwrap();
    match prepared.execute(Poison::of_execution(0)) {
        Err(Error::Refused(words)) => assert_eq!(
            words,
            "refused by torch: cumsum_cuda_kernel does not have a deterministic implementation, but you set it"
        ),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_gpu_that_torch_does_not_see_is_told() {
    let blind = Peer { program: Cow::Owned(format!("BLIND = True\n{}", on_gpu(&[]).program)), ..on_gpu(&[]) };
    let error = refusal(blind.be_ready());
    assert!(error.contains("a torch that sees no GPU: install one that was built for CUDA"), "{error}");
}
