#!/usr/bin/env bash
# Trains on two hosts that are none: two network namespaces of this machine, with names and private
# addresses of their own, joined by a pair of virtual devices. Open MPI starts the second host's
# process by `ip netns exec` where a cluster has ssh, and talks TCP between them. Then the cable is
# pulled in mid-training, and the run goes on to the bytes of one that was not cut off.
# Needs Linux, root, iproute2, Open MPI and Deno; takes about a minute.
set -euo pipefail
cd "$(dirname "$0")/.."

here=$(mktemp -d)
names=(unitune-a unitune-b)
addresses=(10.77.0.1 10.77.0.2)
tear_down() {
  for name in "${names[@]}"; do ip netns del "$name" 2>/dev/null || true; done
  rm -rf "$here"
}
trap tear_down EXIT

for name in "${names[@]}"; do ip netns add "$name"; done
ip link add veth-a netns unitune-a type veth peer name veth-b netns unitune-b
ip -n unitune-a address add 10.77.0.1/24 dev veth-a
ip -n unitune-b address add 10.77.0.2/24 dev veth-b
ip -n unitune-a link set lo up
ip -n unitune-b link set lo up
plug_in() {
  ip -n unitune-a link set veth-a up
  ip -n unitune-b link set veth-b up
}
plug_in

# What Open MPI calls in place of ssh: AGENT ADDRESS COMMAND...
cat >"$here/agent" <<'AGENT'
#!/usr/bin/env bash
case "$1" in
  10.77.0.1) name=unitune-a ;;
  *) name=unitune-b ;;
esac
shift
exec ip netns exec "$name" unshare --uts sh -c "hostname $name; $*"
AGENT
chmod +x "$here/agent"

task=$(deno eval 'console.log(JSON.parse(Deno.readTextFileSync("deno.json")).tasks["train:mpi"].command)')
# A lost connection is noticed after some seconds; by default, it is after minutes.
train() {
  # shellcheck disable=SC2086
  ip netns exec unitune-a unshare --uts sh -c 'hostname unitune-a; exec "$@"' sh \
    mpirun --allow-run-as-root --bind-to none -n 2 --host 10.77.0.1:1,10.77.0.2:1 \
    --mca plm_rsh_agent "$here/agent" --mca btl tcp,self --mca pml ob1 \
    --mca btl_tcp_if_include 10.77.0.0/24 --mca oob_tcp_if_include 10.77.0.0/24 \
    --mca oob_tcp_keepalive_time 3 --mca oob_tcp_keepalive_intvl 1 \
    --mca oob_tcp_keepalive_probes 3 --mca mpi_yield_when_idle 1 -x XDG_RUNTIME_DIR=/tmp \
    $task "$@"
}

for word in abc abd acd bca bcd bda cab cad cda dab dac dcb; do
  echo "{\"prompt\":\"$word\",\"completion\":\"$(rev <<<"$word")\"}"
done >"$here/rows.jsonl"
sizes=(--data "$here/rows.jsonl" --layers 1 --heads 1 --width 16 --context 24 --device wasm
  --batch-size 4 --steps 120 --save-steps 10 --logging-steps 1 --eval-steps 60)
train "${sizes[@]}" --out "$here/whole"

echo "--- the same, and the cable is pulled"
train "${sizes[@]}" --out "$here/cut" &
running=$!
until compgen -G "$here/cut/checkpoints/step-0000[3-9]0" >/dev/null; do
  kill -0 "$running" || { echo "it ended before it was cut off" >&2; exit 1; }
  sleep 0.05
done
ip -n unitune-b link set veth-b down
if wait "$running"; then
  echo "it was not cut off" >&2
  exit 1
fi
echo "--- it has ended, and goes on"
plug_in
train --resume "$here/cut"
cmp "$here/whole/metrics.jsonl" "$here/cut/metrics.jsonl"
last=step-000120
for file in "$here/whole/checkpoints/$last"/*; do
  cmp "$file" "$here/cut/checkpoints/$last/$(basename "$file")"
done
echo "two hosts: the same bytes"
