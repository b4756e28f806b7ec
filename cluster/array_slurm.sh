#!/usr/bin/env bash
# A study as a plain job array of Slurm, without a scheduler process: submit it from the study's folder with
#     sbatch array_slurm.sh study.yaml
# Every element does its share of the items and then what others left. Elements may start late, end early or be
# cancelled: submit the same again, and only what is missing is done. `dtrf status study.yaml` sees all of them.
#SBATCH --job-name=dtrf
#SBATCH --array=1-8
#SBATCH --cpus-per-task=1 # of more, make use by a recipe with `threads`: dtrf run STUDY --cluster RECIPE --item ...
#SBATCH --mem=16G
#SBATCH --time=4:00:00
#SBATCH --output=dtrf-%A-%a.out
#SBATCH --no-requeue
##SBATCH --partition=general
##SBATCH --account=my_lab
set -euo pipefail
# module load gcc; source ~/my_environment/bin/activate
exec dtrf run "${1:?usage: sbatch array_slurm.sh STUDY}" --item "$SLURM_ARRAY_TASK_ID/$SLURM_ARRAY_TASK_COUNT"
