//! A convolution prepared for the engine, and its walk over an image.

use super::block::{Block, Order, elements, pitch};
use super::kernels::{Packed, Row};
use super::spare::Spare;
use super::requantize::{Finish, Quantizer, ToCodes, ToWide};
use super::{Cut, Held};
use crate::graph::Conv;
use caesar_codec::{Error, Result};
use caesar_kernels::Isa;
use std::sync::Arc;

/// Packed weights and what becomes of the sums.
pub struct Prepared {
    conv: Arc<Conv>,
    packed: Packed,
    finish: End,
}

enum End {
    Codes(ToCodes),
    Wide(ToWide),
}

impl Prepared {
    /// With a quantizer the result is codes, without it reals.
    pub fn new(conv: &Arc<Conv>, quantizer: Option<Quantizer>, isa: Isa) -> Self {
        let packed = Packed::new(conv, pitch(conv.in_channels), isa);
        let finish = match quantizer {
            Some(quantizer) => End::Codes(ToCodes::new(conv, quantizer, packed.less())),
            None => End::Wide(ToWide::new(conv, packed.less())),
        };
        Prepared { conv: conv.clone(), packed, finish }
    }

    pub fn run(&self, input: &Block<u8>, cut: Cut, spare: &Spare) -> Result<Held> {
        match &self.finish {
            End::Codes(finish) => Ok(self.run_as(input, finish, cut, spare)?.into()),
            End::Wide(finish) => Ok(self.run_as(input, finish, cut, spare)?.into()),
        }
    }

    fn run_as<F: Finish>(&self, input: &Block<u8>, finish: &F, cut: Cut, spare: &Spare) -> Result<Block<F::Lane>> {
        debug_assert_eq!(input.order, Order::ChannelsLast);
        let Conv { kernel, stride, pads: [top, left, bottom, right], zero, .. } = *self.conv;
        let [top, bottom] = [(top, cut.above), (bottom, cut.below)].map(|(pad, cut)| if cut { 0 } else { pad });
        let [n, c, h, w] = input.image_shape()?;
        if c != self.conv.in_channels {
            return Err(Error::InvalidArgument(format!("{c} channels where a convolution takes {}", self.conv.in_channels)));
        }
        let padded = |[h, w]: [usize; 2]| [h + top + bottom, w + left + right];
        let windows = |size: [usize; 2]| [0, 1].map(|i| (padded(size)[i] - kernel[i]) / stride[i] + 1);
        if padded([h, w])[0] < kernel[0] || padded([h, w])[1] < kernel[1] {
            return Err(Error::InvalidArgument(format!("an image of {h} x {w} is smaller than the kernel")));
        }
        let [out_h, out_w] = windows([h, w]);
        let mut output = Block::of_spare([n, self.conv.out_channels, out_h, out_w], spare)?;

        // Pixels of a 1x1 convolution know no neighbours: one long row keeps the registers full.
        let [n, h, w] = if kernel == [1, 1] && stride == [1, 1] { [1, 1, n * h * w] } else { [n, h, w] };
        let ([padded_h, padded_w], [out_h, out_w]) = (padded([h, w]), windows([h, w]));
        let (in_pitch, out_pitch) = (pitch(c), pitch(self.conv.out_channels));
        let (framed_pitch, alignment) = (self.packed.pitch(), self.packed.alignment());
        let row_pitch = padded_w * framed_pitch;
        let span = kernel[1] * framed_pitch;
        let slack = self.packed.slack(span);
        let framed_len = elements(&[padded_h, row_pitch])? + slack;
        let fits = framed_pitch == in_pitch && input.data.as_ptr().align_offset(alignment) == 0;
        let frameless = [top, left, bottom, right] == [0; 4] && slack == 0 && fits;
        let mut framed: Vec<u8> = if frameless { Vec::new() } else { spare.take(framed_len + alignment) };
        let start = framed.as_ptr().align_offset(alignment);
        for image in 0..n {
            let bytes = &input.data[image * h * w * in_pitch..][..h * w * in_pitch];
            let bytes = if frameless {
                bytes
            } else {
                let frame = &mut framed[start..][..framed_len];
                let (above, rest) = frame.split_at_mut(top * row_pitch);
                let (inside, below) = rest.split_at_mut(h * row_pitch);
                above.fill(zero);
                below.fill(zero);
                for (line, pixels) in inside.chunks_exact_mut(row_pitch).zip(bytes.chunks_exact(w * in_pitch)) {
                    let (before, rest) = line.split_at_mut(left * framed_pitch);
                    let (line, after) = rest.split_at_mut(w * framed_pitch);
                    before.fill(zero);
                    after.fill(zero);
                    if framed_pitch == in_pitch {
                        line.copy_from_slice(pixels);
                    } else {
                        // Weights are zero for what else a pixel has.
                        let pixels = line.chunks_exact_mut(framed_pitch).zip(pixels.chunks_exact(in_pitch));
                        pixels.for_each(|(to, from)| to[..in_pitch].copy_from_slice(from));
                    }
                }
                &framed[start..][..framed_len]
            };
            let lines = output.data.chunks_exact_mut(out_w * out_pitch).skip(image * out_h).take(out_h);
            for (y, line) in lines.enumerate() {
                let row = Row {
                    input: &bytes[y * stride[0] * row_pitch..],
                    row_pitch,
                    step: stride[1] * framed_pitch,
                    span,
                    rows: kernel[0],
                    width: out_w,
                };
                self.packed.row(&row, finish, line, out_pitch);
            }
        }
        if !frameless {
            spare.give(framed);
        }
        Ok(output)
    }
}
