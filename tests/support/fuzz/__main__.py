"""Run the fuzzer: ``python -m support.fuzz [INPUTS [SEED]]`` prints the inputs of each target, and each fault."""

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))

from support.fuzz.run import fuzz

inputs = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
seed = int(sys.argv[2]) if len(sys.argv) > 2 else 20261130
sys.exit(fuzz(inputs, seed, sys.stdout.write))
