//! The table of settings: what is measured, that rows make pairs, and what reaches the process.

use std::collections::BTreeSet;

use super::*;
use crate::operation::OPERATIONS;

const GPU: Place = Place::Cuda { visible: String::new(), l2_bytes: 1 << 20 };

fn texts(name: PeerName, place: &Place) -> Vec<String> {
    PeerSetting::all(name, place).iter().map(ToString::to_string).collect()
}

#[test]
fn on_the_cpu_determinism_and_threads_are_set_otherwise_in_turn() {
    assert_eq!(
        texts(PeerName::Torch, &Place::Cpu { threads: 2 }),
        ["deterministic=0;threads=2", "deterministic=1;threads=2", "deterministic=0;threads=1"]
    );
    assert_eq!(texts(PeerName::Torch, &Place::Cpu { threads: 1 }).len(), 2);
    assert_eq!(texts(PeerName::Numpy, &Place::Cpu { threads: 8 }), ["threads=8"]);
    assert_eq!(texts(PeerName::Numpy, &GPU), [""; 0]);
}

#[test]
fn on_a_gpu_all_keys_stand_in_every_setting() {
    let usual = "cublas_workspace=unset;cudnn_benchmark=0;cudnn_deterministic=0;cudnn_tf32=1;deterministic=0;\
                 matmul_tf32=0;reduced_precision=1;streams=1";
    let all = texts(PeerName::Torch, &GPU);
    assert_eq!((all[0].as_str(), all.len()), (usual, 10));
    let keys = |text: &String| -> Vec<String> {
        text.split(';').map(|pair| pair.split('=').next().unwrap().to_owned()).collect()
    };
    assert!(all.iter().all(|text| keys(text) == keys(&all[0]) && keys(text).is_sorted()), "{all:?}");
    assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), all.len());
}

/// What is measured of each operation and type: the settings, as texts.
fn measured(place: &Place) -> Vec<(String, Vec<String>)> {
    let mut all = Vec::new();
    for operation in OPERATIONS {
        for dtype in Dtype::ALL {
            let shape = crate::workload::Shape::of([("n", 1)]);
            let workload = Workload::new("test", *operation, shape, dtype, Distribution::Uniform);
            let settings = PeerSetting::all(PeerName::Torch, place);
            let texts = settings.iter().filter(|setting| setting.matters(&workload)).map(ToString::to_string);
            all.push((format!("{} {dtype}", operation.name()), texts.collect()));
        }
    }
    all
}

/// How many pairs of keys and values of two settings differ.
fn apart(one: &str, other: &str) -> usize {
    one.split(';').zip(other.split(';')).filter(|(one, other)| one != other).count()
}

#[test]
fn every_row_has_a_partner_that_differs_in_exactly_one_key() {
    for place in [GPU, Place::Cpu { threads: 4 }] {
        for (what, settings) in measured(&place) {
            for (index, setting) in settings.iter().enumerate().skip(1) {
                let partners = settings[..index].iter().filter(|earlier| apart(earlier, setting) == 1);
                assert!(partners.count() >= 1, "{what}: {setting} has no partner");
                assert!(apart(&settings[0], setting) <= 2, "{what}: {setting}");
            }
        }
    }
}

#[test]
fn only_what_can_matter_is_measured() {
    let measured = measured(&GPU);
    let changed = |what: &str| -> Vec<String> {
        let (_, settings) = measured.iter().find(|(name, _)| name == what).unwrap();
        let other = |setting: &String| -> String {
            let pairs = setting.split(';').zip(settings[0].split(';'));
            pairs.filter(|(one, usual)| one != usual).map(|(one, _)| one).collect::<Vec<_>>().join(";")
        };
        settings.iter().skip(1).map(other).collect()
    };
    let everywhere = ["deterministic=1", "streams=4"];
    for operation in ["reduce", "batch_norm", "index_add", "cumsum"] {
        for dtype in ["f16", "f32"] {
            assert_eq!(changed(&format!("{operation} {dtype}")), everywhere);
        }
    }
    let workspace = "cublas_workspace=:4096:8";
    let both = "cublas_workspace=:4096:8;deterministic=1";
    assert_eq!(changed("matmul f32"), [workspace, "deterministic=1", "matmul_tf32=1", "streams=4", both]);
    assert_eq!(
        changed("matmul f16"),
        [workspace, "deterministic=1", "reduced_precision=0", "streams=4", both]
    );
    for operation in ["conv2d", "conv2d_backward"] {
        let cudnn = ["cudnn_benchmark=1", "cudnn_deterministic=1"];
        assert_eq!(changed(&format!("{operation} f16")), [&cudnn[..], &everywhere].concat());
        assert_eq!(
            changed(&format!("{operation} f32")),
            [&cudnn[..], &["cudnn_tf32=0"], &everywhere].concat()
        );
    }
}

/// What a process of that setting hears and finds in its environment.
fn met(place: &Place, setting: &PeerSetting) -> serde_json::Value {
    let echo = "import json, os\nprint(json.dumps({'version': json.dumps([json.loads(input()), dict(os.environ)])}), flush=True)\ninput()";
    let program = Cow::Borrowed(echo);
    let peer =
        Peer::new(PeerName::Torch, program, Path::new("python3"), place.clone(), setting.clone()).unwrap();
    peer.be_ready().unwrap();
    serde_json::from_str(&peer.version.take()).unwrap()
}

#[test]
fn a_process_hears_its_setting_and_finds_in_its_environment_what_must_precede_it() {
    let cpu = Place::Cpu { threads: 2 };
    for setting in PeerSetting::all(PeerName::Torch, &cpu) {
        let met = met(&cpu, &setting);
        let hello = json!({"do": "hello", "device": "cpu", "setting": setting.values(), "l2_bytes": 0});
        assert_eq!(met[0], hello);
        assert_eq!(met[1]["OMP_NUM_THREADS"], met[0]["setting"]["threads"]);
    }
    let gpu = Place::Cuda { visible: "GPU-0011".to_owned(), l2_bytes: 77 };
    for setting in PeerSetting::all(PeerName::Torch, &gpu) {
        let met = met(&gpu, &setting);
        assert_eq!((&met[0]["device"], &met[0]["l2_bytes"]), (&json!("cuda"), &json!(77)));
        assert_eq!(met[1]["CUDA_VISIBLE_DEVICES"], "GPU-0011");
        let expected = if setting.to_string().contains("unset") { json!(null) } else { json!(":4096:8") };
        assert_eq!(met[1]["CUBLAS_WORKSPACE_CONFIG"], expected, "{setting}");
    }
}

#[test]
fn bounds_widen_where_precision_is_given_up_and_nowhere_else() {
    let place = GPU;
    let precision = |operation: &str, dtype, index: usize| {
        let shape = crate::workload::Shape::of([("n", 1)]);
        let operation = crate::operation::find(operation).unwrap();
        let workload = Workload::new("test", operation, shape, dtype, Distribution::Uniform);
        PeerSetting::all(PeerName::Torch, &place)[index].precision(&place, &workload)
    };
    let [usual, cudnn_tf32_off, matmul_tf32_on, reduced_off] = [0, 4, 6, 7];
    assert_eq!(precision("matmul", Dtype::F32, usual), Precision::F32);
    assert_eq!(precision("matmul", Dtype::F32, matmul_tf32_on).factor, 2f64.powi(-10));
    assert_eq!(precision("conv2d", Dtype::F32, usual).factor, 2f64.powi(-10));
    let exact = precision("conv2d", Dtype::F32, cudnn_tf32_off);
    assert_eq!((exact.factor, exact.rounding, exact.spread), (0.0, Precision::F32.rounding, 256.0));
    assert_eq!(precision("matmul", Dtype::F16, usual).rounding, Dtype::F16.unit_roundoff());
    assert_eq!(precision("matmul", Dtype::F16, reduced_off).rounding, 4.0 * Precision::F32.rounding);
    for index in 0..10 {
        assert_eq!(precision("reduce", Dtype::F32, index), Precision::F32);
        assert_eq!(precision("index_add", Dtype::F16, index), Precision::F32);
    }
    let cpu = Place::Cpu { threads: 2 };
    let workload = problem().workload;
    assert_eq!(PeerSetting::all(PeerName::Torch, &cpu)[1].precision(&cpu, &workload), Precision::F32);
}

/// What `advise` tells of a setting must be what is measured.
#[test]
fn every_setting_of_pytorch_is_known_to_the_report() {
    let on_cuda = Place::Cuda { visible: "GPU-0".to_owned(), l2_bytes: 1 };
    for place in [Place::Cpu { threads: 2 }, on_cuda] {
        let all = PeerSetting::all(PeerName::Torch, &place);
        let known =
            |key: &str| crate::report::advise::effect::KNOWN.iter().find(move |known| known.key == key);
        for key in all[0].values().keys() {
            let known = known(key).unwrap_or_else(|| panic!("{key} is not known to the report"));
            let values: Vec<&str> = all.iter().map(|setting| setting.values()[key].as_str()).collect();
            assert!(values.contains(&known.on), "{key}={} is never measured", known.on);
            assert!(
                values.iter().any(|value| *value != known.on),
                "{key} is never measured without {}",
                known.on
            );
        }
    }
}
