#!/usr/bin/env bash

#$ -N dtrf
#$ -l mem_free=4G
#$ -l h_rt=04:00:00
#$ -cwd
#$ -j y
#$ -S /bin/bash
#$ -o HOME/.local/state/distributed_trf/logs/
#$ -r n
#$ -pe smp 4
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
PYTHON -m distributed.cli.dask_worker tls://SCHEDULER:PORT --name dtrf-0 --nthreads 1 --memory-limit 16.00GiB --nanny --death-timeout 300 --local-directory ${TMPDIR:-/tmp} --dashboard-address 127.0.0.1:0 --interface eth0 --protocol tls:// --tls-ca-file HOME/.local/state/distributed_trf/keys/RUN/certificate.pem --tls-cert HOME/.local/state/distributed_trf/keys/RUN/certificate.pem --tls-key HOME/.local/state/distributed_trf/keys/RUN/key.pem
