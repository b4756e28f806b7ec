#!/usr/bin/env bash

#BSUB -J dtrf
#BSUB -n 8
#BSUB -R "span[hosts=1]"
#BSUB -M 68720
#BSUB -W 4:00
#BSUB -o HOME/.local/state/distributed_trf/logs/dtrf-%J.out
#BSUB -rn
#BSUB -gpu "num=1"
export MALLOC_TRIM_THRESHOLD_=268435456
export MALLOC_MMAP_THRESHOLD_=33554432
export MALLOC_ARENA_MAX=1
export CUDA_DEVICE_ORDER=PCI_BUS_ID
export DASK_DISTRIBUTED__WORKER__MEMORY__TARGET=False
export DASK_DISTRIBUTED__WORKER__MEMORY__SPILL=False
export DASK_DISTRIBUTED__WORKER__MEMORY__PAUSE=False
export DASK_DISTRIBUTED__COMM__TIMEOUTS__CONNECT=60s
export DASK_DISTRIBUTED__WORKER__LIFETIME__DURATION=14100s
export DASK_DISTRIBUTED__WORKER__LIFETIME__STAGGER=150s
PYTHON -m dask_cuda.cli tls://SCHEDULER:PORT --name dtrf-0 --nthreads 1 --memory-limit 64.00GiB --death-timeout 300 --local-directory ${TMPDIR:-/tmp} --dashboard-address 127.0.0.1:0 --device-memory-limit 0 --interface ib0 --protocol tls:// --tls-ca-file HOME/.local/state/distributed_trf/keys/RUN/certificate.pem --tls-cert HOME/.local/state/distributed_trf/keys/RUN/certificate.pem --tls-key HOME/.local/state/distributed_trf/keys/RUN/key.pem
