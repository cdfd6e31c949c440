//! What is close to a known cause and is not it, and what cannot be told.

use serde_json::json;

use super::synthetic::{both, changed, kind, numbers};
use crate::diff::capture::model::Part;

#[test]
fn a_module_that_ran_before_and_gave_the_same_is_not_the_cause() {
    // `first` differs in its parameters, and gave the same; `last` differs, and gave another output.
    let found = changed(|after| {
        after.map("parameter/first.weight", |_, value| value + 1.0);
        after.map("parameter/last.weight", |_, value| value + 1.0).differ_from(2);
    });
    assert_eq!(kind(&found), "partial_load");
    let found = changed(|after| {
        after.map("parameter/first.weight", |_, value| value + 1.0).differ_from(2);
    });
    // Then nothing that is recorded explains it.
    assert_eq!(kind(&found), "unknown");
    assert!(found.likely_cause.starts_with("cannot tell: "), "{}", found.likely_cause);
    assert_eq!(found.causes[1].kind, "partial_load");
}

#[test]
fn statistics_do_not_explain_a_difference_before_them() {
    let found = changed(|after| {
        after.map("buffer/norm.running_mean", |_, _| 0.0).map("buffer/norm.running_var", |_, _| 1.0);
        after.map("input/x", |_, value| 2.0 * value - 1.0).differ_from(0);
    });
    assert_eq!(kind(&found), "normalisation");
    assert!(found.causes.iter().any(|cause| cause.kind == "statistics_lost"));
}

#[test]
fn statistics_are_lost_only_if_they_are_those_of_a_new_module() {
    let lost = |variance: f32| {
        let found = changed(|after| {
            after.map("buffer/norm.running_mean", |_, _| 0.0);
            after.map("buffer/norm.running_var", |_, _| variance).differ_from(1);
        });
        kind(&found)
    };
    assert_eq!((lost(1.0), lost(1.000_000_1)), ("statistics_lost", "statistics_other"));
}

#[test]
fn biased_variance_needs_equal_means_and_one_factor() {
    let case = |change: &dyn Fn(usize, f32) -> f32, mean: f32| {
        let found = changed(|after| {
            after.map("buffer/norm.running_var", change);
            after.map("buffer/norm.running_mean", |_, value| value + mean).differ_from(1);
        });
        (kind(&found), found.likely_cause)
    };
    // What is left of the initial value after 12 batches with momentum 0.1 takes no part.
    let left = 0.9f64.powi(12);
    let biased = |n: f64| move |_: usize, v: f32| ((f64::from(v) - left) * (n - 1.0) / n + left) as f32;
    let (found, said) = case(&biased(32.0), 0.0);
    assert!(found == "statistics_biased" && said.contains("n = 32;"), "{found}: {said}");
    assert_eq!(case(&biased(32.0), 1e-4).0, "statistics_other", "another mean");
    assert_eq!(case(&|index, v| if index == 0 { v * 0.9 } else { v }, 0.0).0, "statistics_other");
    // Without a momentum the average has nothing left of the initial value.
    let (found, said) = case(&|_, v| (f64::from(v) * 63.0 / 64.0) as f32, 0.0);
    assert!(found == "statistics_biased" && said.contains("n = 64;"), "{found}: {said}");
}

#[test]
fn running_statistics_are_not_read_in_training_mode() {
    let train = |side: &mut super::synthetic::Synthetic| {
        side.train();
    };
    let found = both(train, |after| {
        after.train().map("buffer/norm.running_mean", |_, value| value + 1.0).differ_from(1);
    });
    let found = found.unwrap();
    assert_eq!(kind(&found), "unknown", "{}", found.likely_cause);
}

#[test]
fn one_value_that_is_not_rounded_is_another_cause() {
    let rounded = |value: f32| half::f16::from_f32(value).to_f32();
    let found = changed(|after| {
        for name in ["parameter/first.weight", "parameter/last.weight", "parameter/norm.weight"] {
            after.map(name, |_, value| rounded(value));
        }
        after.differ_from(0);
    });
    assert_eq!(kind(&found), "lower_precision");
    let found = changed(|after| {
        after.map(
            "parameter/first.weight",
            |index, value| {
                if index == 7 { value + 0.1 } else { rounded(value) }
            },
        );
        after.differ_from(0);
    });
    assert_eq!(kind(&found), "partial_load");
}

#[test]
fn a_capture_of_another_step_is_no_other_seed() {
    let optimizer =
        |step: f64| json!({"type": "SGD", "param_groups": [], "scalars": {"first.weight/step": step}});
    let found = both(
        |before| {
            before.say("optimizer", optimizer(100.0));
        },
        |after| {
            for name in ["parameter/first.weight", "parameter/last.weight", "parameter/norm.weight"] {
                after.map(name, |_, value| value + 0.01);
            }
            after.say("optimizer", optimizer(110.0)).differ_from(0);
        },
    );
    let found = found.unwrap();
    assert_eq!(kind(&found), "other_step");
    assert!(found.likely_cause.contains("100 before and 110 after"), "{}", found.likely_cause);
}

#[test]
fn rows_in_another_order_are_told_from_other_rows() {
    let rows = |order: [usize; 6]| {
        let x = numbers(6, 24);
        let picked: Vec<f32> = order.iter().flat_map(|row| x[4 * row..4 * row + 4].to_vec()).collect();
        let found = changed(|after| {
            after.set("input/x", &[6, 4], &picked).differ_from(0);
        });
        kind(&found)
    };
    assert_eq!(rows([1, 0, 2, 3, 5, 4]), "data_order");
    assert_eq!(rows([1, 1, 2, 3, 5, 4]), "other_rows", "row 1 twice, and row 0 not at all");
    assert_eq!(rows([1, 1, 1, 1, 1, 0]), "other_rows");
    let found = changed(|after| {
        after
            .map("input/x", |index, value| if index < 12 { value + index as f32 } else { value })
            .differ_from(0);
    });
    assert_eq!(kind(&found), "augmentation", "three rows are others, three are in place");
}

#[test]
fn an_index_map_must_hold_wherever_an_index_stands() {
    let tokens = |after: [i64; 8]| {
        let before = [4, 7, 4, 1, 7, 7, 1, 2];
        let found = both(
            |side| {
                side.integers("input/x", &[2, 4], &before);
            },
            |side| {
                side.integers("input/x", &[2, 4], &after).differ_from(0);
            },
        );
        kind(&found.unwrap())
    };
    assert_eq!(tokens([5, 8, 5, 9, 8, 8, 9, 2]), "index_map");
    assert_eq!(tokens([5, 8, 6, 9, 8, 8, 9, 2]), "other_inputs", "4 becomes 5 and 6");
    assert_eq!(tokens([8, 8, 8, 9, 8, 8, 9, 2]), "other_inputs", "4 and 7 become the same");
}

#[test]
fn scales_are_found_for_all_and_by_column_and_not_in_noise() {
    let x = |change: &dyn Fn(usize, f32) -> f32| {
        let found = changed(|after| {
            after.map("input/x", change).differ_from(0);
        });
        (kind(&found), found.likely_cause)
    };
    assert!(x(&|_, v| (v - 0.5) / 0.25).1.contains("after = 4.0000 · before − 2.0000"));
    let (kind, said) = x(&|index, v| v * (1.0 + (index % 4) as f32) - 0.5);
    assert!(kind == "normalisation" && said.contains("second axis"), "{kind}: {said}");
    assert_eq!(x(&|index, v| v + ((index * 7) % 5) as f32 * 0.01).0, "input_near");
    assert_eq!(x(&|index, v| v * (((index * 7) % 5) as f32 - 2.0)).0, "other_inputs");
}

#[test]
fn labels_act_behind_the_model() {
    let found = changed(|after| {
        after.map("input/target", |_, value| 3.0 * value);
    });
    assert_eq!(kind(&found), "normalisation");
    assert!(found.likely_cause.contains("all 4 activations are equal"), "{}", found.likely_cause);
}

#[test]
fn kernels_are_blamed_for_roundings_only() {
    let by = |factor: f32, change: bool| {
        let found = changed(|after| {
            for key in ["activation/000001/norm", "activation/000002/last", "activation/000003/(model)"] {
                after.map(key, |index, value| if index == 0 { value * factor } else { value });
            }
            if change {
                after.say("backend", json!({"torch.backends.cudnn.benchmark": true}));
            }
        });
        kind(&found)
    };
    assert_eq!(by(1.000_001, false), "nondeterministic_kernels");
    assert_eq!(by(1.000_001, true), "other_kernels");
    assert_eq!((by(1.1, false), by(1.1, true)), ("unknown", "unknown"));
}

#[test]
fn generators_that_differ_explain_no_rounding() {
    let found = |factor: f32| {
        let train = |side: &mut super::synthetic::Synthetic| {
            side.train();
        };
        let found = both(train, |after| {
            after.train().say("generators", json!({"python": "aa", "torch_cpu": "other"}));
            for key in ["activation/000002/last", "activation/000003/(model)"] {
                after.map(key, |_, value| value * factor);
            }
        });
        kind(&found.unwrap())
    };
    assert_eq!((found(1.000_001), found(1.3)), ("nondeterministic_kernels", "random_forward"));
}

#[test]
fn one_module_more_moves_numbers_and_hides_nothing() {
    let found = changed(|after| {
        let list = json!([
            {"key": "activation/000000/new", "module": "new", "type": "Linear"},
            {"key": "activation/000001/first", "module": "first", "type": "Linear"},
            {"key": "activation/000002/norm", "module": "norm", "type": "BatchNorm1d"},
        ]);
        for (from, to) in [("000001/norm", "000002/norm"), ("000000/first", "000001/first")] {
            let moved = after.tensors.remove(&format!("activation/{from}")).unwrap();
            after.tensors.insert(format!("activation/{to}"), moved);
        }
        after.set("activation/000000/new", &[6, 1], &numbers(3, 6)).say("activations", list);
        let modules = after.metadata.get_mut("modules").unwrap().as_array_mut().unwrap();
        modules.push(json!({"name": "new", "type": "Linear", "training": false}));
    });
    let capture = found.capture.as_ref().unwrap();
    assert_eq!((kind(&found), capture.activations), ("other_modules", 2));
    assert!(capture.first_activation.is_none(), "{capture:?}");
    assert_eq!(capture.notes, ["3 activations are on one side only"]);
}

#[test]
fn a_wrapped_model_is_named_as_such() {
    let found = changed(|after| {
        let modules = after.metadata["modules"].as_array().unwrap().iter().map(|module| {
            let mut module = module.clone();
            let name = module["name"].as_str().unwrap().to_owned();
            module["name"] =
                json!(if name.is_empty() { "module".to_owned() } else { format!("module.{name}") });
            module
        });
        let root = json!({"name": "", "type": "DataParallel", "training": false});
        let modules = std::iter::once(root).chain(modules).collect::<Vec<_>>();
        after.say("modules", modules.into());
    });
    assert_eq!(kind(&found), "wrapped_model");
}

#[test]
fn numbers_that_are_written_otherwise_are_the_same() {
    let optimizer =
        |lr: serde_json::Value| json!({"type": "SGD", "param_groups": [{"lr": lr, "betas": [1, 0.5]}]});
    let found = both(
        |before| {
            before.say("optimizer", optimizer(json!(1)));
        },
        |after| {
            after.say("optimizer", optimizer(json!(1.0)));
        },
    );
    assert!(found.unwrap().capture.unwrap().changes.is_empty());
    let found = both(
        |before| {
            before.say("optimizer", optimizer(json!(1)));
        },
        |after| {
            after.say("optimizer", optimizer(json!("inf")));
        },
    );
    let found = found.unwrap();
    assert_eq!(kind(&found), "learning_rate");
    assert_eq!(found.capture.unwrap().changes[0].part, Part::Optimizer);
}

#[test]
fn an_optimizer_on_one_side_is_no_cause() {
    let found = changed(|after| {
        after.say("optimizer", json!({"type": "SGD"}));
    });
    assert_eq!(kind(&found), "optimizer_missing");
    assert!(
        found.likely_cause.starts_with("nothing that is recorded can have changed"),
        "{}",
        found.likely_cause
    );
}

#[test]
fn a_schedule_that_begins_anew_takes_the_learning_rate_with_it() {
    let state = |last: u32, lr: f64| {
        (
            json!({"type": "StepLR", "state": {"last_epoch": last}}),
            json!({"type": "SGD", "param_groups": [{"lr": lr}]}),
        )
    };
    let say = |side: &mut super::synthetic::Synthetic, last, lr| {
        let (schedule, optimizer) = state(last, lr);
        side.say("schedule", schedule).say("optimizer", optimizer);
    };
    let found = both(|before| say(before, 9, 0.01), |after| say(after, 0, 0.1)).unwrap();
    assert_eq!(found.causes.iter().map(|cause| cause.kind).collect::<Vec<_>>(), ["schedule_position"]);
    assert_eq!(found.causes[0].evidence[0], "`param_groups[0].lr` is 0.01 before and 0.1 after");
}
