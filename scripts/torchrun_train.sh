#!/bin/bash
# One run on several machines without a scheduler; the same command on each of them:
#   NODES=2 NODE=0 MAIN=host0:29400 scripts/torchrun_train.sh experiment=faceswap_gan seed=1
#   NODES=2 NODE=1 MAIN=host0:29400 scripts/torchrun_train.sh experiment=faceswap_gan seed=1
# On one machine none of the three is needed. PER_NODE: processes per machine, gpu for all GPUs. TRAINER=ddp_cpu: without.
set -euo pipefail

NODES="${NODES:-1}"
TRAINER="${TRAINER:-ddp}"
PER_NODE="${PER_NODE:-gpu}"

if [ "$NODES" -gt 1 ]; then
    : "${NODE:?number of this machine, from 0}" "${MAIN:?HOST:PORT of machine 0}"
    meeting=(--nnodes="$NODES" --node-rank="$NODE" --master-addr="${MAIN%:*}" --master-port="${MAIN##*:}")
else
    meeting=(--standalone)
fi

exec torchrun "${meeting[@]}" --nproc-per-node="$PER_NODE" --max-restarts=0 -m swaplab train \
    trainer="$TRAINER" trainer.devices=auto trainer.nodes=auto "$@"
