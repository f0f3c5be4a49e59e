"""Trains the networks of one role on real fields and writes a checkpoint, and the learning curve beside it as CSV.

    python -m caesar_models.train DATA.h5 CHECKPOINT.pt --frames 8 --beside 1 --layers "3x32 3x32 3x32 3" --minutes 30

The codec makes the examples: build its program first, `cargo build --release -p caesar-codec --example images`.

The same seed gives the same crops; how many steps a minute holds depends on the machine. Memory that is kept instead of
being given back is faster: MALLOC_MMAP_THRESHOLD_=2000000000 MALLOC_TRIM_THRESHOLD_=4000000000
"""

import argparse
import pathlib

import torch

from . import checkpoint, networks, train_decoder, train_hyper
from .data import Crops, held_out_clips, read_clips
from .pool import Codec, Pool

# Several blocks of any size, most of them far from the crop's border.
SIZE = 128


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", help="HDF5 file of real fields, data sets named GROUP/VARIABLE")
    parser.add_argument("out", type=pathlib.Path, help="checkpoint to write")
    parser.add_argument("--frames", type=int, choices=(1, 8), default=8, help="8: stacks of frames, 1: planes")
    parser.add_argument("--beside", type=int, default=0, help="frames before and after its own that the decoder sees")
    parser.add_argument("--layers", required=True, help="the decoder's: kernel x width of each hidden layer, kernel of the last")
    parser.add_argument("--minutes", type=float, default=35, help="of the decoder's training")
    parser.add_argument("--hyper-minutes", type=float, default=6, help="of the hyperprior's; 0: it is taken from --hyper or --start")
    parser.add_argument("--start", help="checkpoint or model folder to go on from; its decoder may lack frames beside its own and layers that keep the shape")
    parser.add_argument("--hyper", help="checkpoint or model folder whose hyperprior to take, if not that of --start")
    parser.add_argument("--rate", type=float, default=1e-3, help="of learning, at its height")
    parser.add_argument("--examples", type=int, default=12000, help="frames kept in memory at a time")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    if not (args.hyper_minutes or args.hyper or args.start):
        parser.error("a hyperprior comes from --hyper-minutes, --hyper or --start")
    return args


def main():
    args = arguments()
    torch.set_num_threads(args.threads)
    torch.set_flush_denormal(True)
    torch.manual_seed(args.seed)
    crops = Crops(read_clips(args.data), args.frames, SIZE, args.seed)
    decoder = networks.decoder(args.layers, args.beside).to(memory_format=torch.channels_last)
    steps, minutes, after = 0, 0.0, None
    if args.start:
        start = checkpoint.read(args.start)
        smaller = networks.decoder(start["layers"], start["beside"])
        smaller.load_state_dict(start["decoder"])
        networks.grow(decoder, smaller)
        steps, minutes, after = start["steps"], start["minutes"], start["after"]
    if not args.hyper_minutes:
        hyper = checkpoint.read(args.hyper or args.start)
    else:
        trained = train_hyper.train(crops, args.frames, args.hyper_minutes, print)
        hyper = {"hyper_encoder": trained.encoder.state_dict(), "hyper_decoder": trained.decoder.state_dict()}
    codec = Codec()
    validation = train_decoder.Validation(Crops(held_out_clips(args.data), args.frames, SIZE, 5), codec, args.beside)
    curve = train_decoder.Curve(args.out.with_suffix(".csv"), validation)
    found = train_decoder.train(decoder, Pool(crops, codec, args.examples, args.beside), curve, args.minutes, args.rate)
    torch.save({
        "frames": args.frames, "layers": args.layers, "beside": args.beside, "seed": args.seed, "steps": steps + found, "minutes": minutes + args.minutes, "after": after,
        "decoder": decoder.state_dict(), **{k: hyper[k] for k in ("hyper_encoder", "hyper_decoder")},
    }, args.out)


if __name__ == "__main__":
    main()
