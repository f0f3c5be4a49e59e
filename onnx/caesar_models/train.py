"""Trains the networks of one role on real fields and writes a checkpoint.

    python -m caesar_models.train DATA.h5 CHECKPOINT.pt --frames 8 --minutes 30

The same seed gives the same crops; how many steps a minute holds depends on the machine.
"""

import argparse

import torch

from . import networks, train_decoder, train_hyper
from .data import Crops, read_clips

# Crops are small, so that a batch shows many fields.
SIZES = {8: 64, 1: 128}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", help="HDF5 file of real fields, data sets named GROUP/VARIABLE")
    parser.add_argument("out", help="checkpoint to write")
    parser.add_argument("--frames", type=int, choices=(1, 8), default=8, help="8: stacks of frames, 1: planes")
    parser.add_argument("--minutes", type=float, default=30, help="of the decoder's training")
    parser.add_argument("--hyper-minutes", type=float, default=6, help="of the hyperprior's")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--start", help="checkpoint whose decoder to go on from")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.manual_seed(args.seed)

    def report(line):
        print(line, flush=True)

    clips = read_clips(args.data)
    size = SIZES[args.frames]
    crops = Crops(clips, args.frames, size, args.seed)
    decoder = networks.decoder(args.frames).to(memory_format=torch.channels_last)
    report(f"{len(clips)} clips, {sum(p.numel() for p in decoder.parameters())} parameters")
    steps, minutes = 0, 0.0
    if args.start:
        earlier = torch.load(args.start)
        decoder.load_state_dict(earlier["decoder"])
        shift, steps, minutes = earlier["shift"], earlier["steps"], earlier["minutes"]
    else:
        shift = train_decoder.mean_shifts(crops, args.frames)
    validation = [Crops(clips, args.frames, size, 1000 + args.seed).batch(train_decoder.BATCH) for _ in range(8)]
    steps += train_decoder.train(decoder, crops, validation, shift, args.minutes, report)
    decoder.exact()
    measured = train_decoder.validate(decoder, validation, shift)
    report(f"decoder: {steps} steps; with rounded weights {measured}")
    hyper = train_hyper.train(crops, args.frames, args.hyper_minutes, report)
    torch.save({
        "frames": args.frames, "seed": args.seed, "steps": steps, "minutes": minutes + args.minutes, "measured": measured,
        "shift": shift, "decoder": decoder.state_dict(),
        "hyper_encoder": hyper.encoder.state_dict(), "hyper_decoder": hyper.decoder.state_dict(),
    }, args.out)


if __name__ == "__main__":
    main()
