"""Serves a model on a free port of 127.0.0.1 until standard input ends.

usage: SERVER_KEY=... server.py MODEL.gguf CONTEXT-TOKENS
Prints `listening on URL` once it answers.
"""

import os
import sys

import xllamacpp

params = xllamacpp.CommonParams()
params.model.path = sys.argv[1]
params.n_ctx = int(sys.argv[2])
params.n_parallel = 1
params.hostnames = ["127.0.0.1"]
params.port = 0
params.api_keys = [os.environ["SERVER_KEY"]]
# A second thread would wait for the first one more than it computes.
params.cpuparams.n_threads = 1
params.cpuparams_batch.n_threads = 1
params.warmup = False
# Errors alone.
params.verbosity = 1

server = xllamacpp.Server(params)
print("listening on", server.listening_address, flush=True)
sys.stdin.read()
