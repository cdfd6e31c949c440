//! The gradients of a convolution: of its images, its filters and its bias, from that of its result.

use crate::error::Result;
use crate::input::InputSpec;
use crate::operation::conv2d::shape;
use crate::operation::conv2d::{answer, bound_of, extents, filters, images, reference, values};
use crate::operation::{Form, Operation, OutputSpec, PeerWay, Reference, Target, Work};
use crate::tensor::{Dtype, Tensor};
use crate::workload::{Shape, Workload};

static PEERS: [PeerWay; 1] = [PeerWay {
    engine: "torch",
    name: "conv2d_backward",
    threaded: true,
    accumulators: false,
    dtypes: &Dtype::ALL,
}];

/// The operation `conv2d_backward`.
#[derive(Debug)]
pub struct Conv2dBackward;

impl Operation for Conv2dBackward {
    fn name(&self) -> &'static str {
        "conv2d_backward"
    }

    fn ways(&self) -> &'static str {
        "ways to go back through a convolution"
    }

    fn peers(&self) -> &'static [PeerWay] {
        &PEERS
    }

    fn shape(&self, text: &str) -> Result<Shape> {
        shape::parse(self.name(), text)
    }

    fn describe(&self, shape: &Shape) -> String {
        format!("gradients of a {}", shape::describe(shape))
    }

    fn inputs(&self, workload: &Workload) -> Vec<InputSpec> {
        let extents = extents(workload);
        let (len, places) = (extents.n * extents.k * extents.places(), extents.places() as usize);
        let grad_y = InputSpec::of_workload("grad_y", len as usize, places.max(1), workload.dtype);
        vec![InputSpec { values: values(workload), ..grad_y }, images("x", workload), filters(workload)]
    }

    fn outputs(&self, _: Form, workload: &Workload) -> Vec<OutputSpec> {
        let extents = extents(workload);
        let lengths = [
            ("grad_input", extents.n * extents.c * extents.h * extents.w),
            ("grad_weight", extents.k * extents.taps()),
            ("grad_bias", extents.k),
        ];
        let output = |(place, (name, len)): (usize, (&'static str, u64))| {
            OutputSpec::new(name, len as usize, workload.dtype, place)
        };
        lengths.into_iter().enumerate().map(output).collect()
    }

    fn batch_rows(&self, _: Form, _: &Workload) -> std::result::Result<u64, String> {
        Err("gradients of filters are sums over the whole batch: another batch is another computation"
            .to_owned())
    }

    /// The gradients of images and of filters cost a forward pass each.
    fn work(&self, workload: &Workload) -> Work {
        Work::Flops(extents(workload).flops().saturating_mul(2))
    }

    fn reference(&self, workload: &Workload, inputs: &[Tensor]) -> Reference {
        answer(reference::backward(&extents(workload), inputs), workload.dtype)
    }

    fn bound(
        &self,
        form: Form,
        workload: &Workload,
        _: &Target,
        _: &[Tensor],
        reference: &Reference,
    ) -> Vec<Vec<f64>> {
        let terms = reference::backward_terms(&extents(workload));
        let of_output = |(output, terms)| bound_of(output, terms, form.precision(), workload.dtype);
        reference.outputs.iter().zip(terms).map(of_output).collect()
    }
}
