#!/usr/bin/env python3
"""Run one peer once and measure it. Standard library only. See README.md, "How a run is measured"."""
import argparse, atexit, datetime, json, os, re, signal, subprocess, sys, time

HZ = os.sysconf("SC_CLK_TCK")


class Cgroup:
    """CPU time of a process tree, dead children included. cgroup v2 or v1; falls back to /proc."""

    def __init__(self, name):
        self.path, self.kind = None, "proc"
        mounts = [l.split() for l in open("/proc/mounts")]
        for want, kind in (("cgroup2", "v2"), ("cgroup", "v1")):
            for m in mounts:
                if m[2] != want or (kind == "v1" and "cpuacct" not in m[3].split(",")):
                    continue
                p = os.path.join(m[1], "peers_" + name)
                try:
                    os.makedirs(p, exist_ok=True)
                except OSError:
                    continue
                if os.path.exists(os.path.join(p, "cpu.stat" if kind == "v2" else "cpuacct.usage")):
                    self.path, self.kind = p, kind
                    return

    def add(self, pid):
        if self.path:
            with open(os.path.join(self.path, "cgroup.procs"), "w") as f:
                f.write(str(pid))

    def cpu(self, pids=()):
        if self.kind == "v2":
            for l in open(os.path.join(self.path, "cpu.stat")):
                if l.startswith("usage_usec"):
                    return int(l.split()[1]) / 1e6
        if self.kind == "v1":
            return int(open(os.path.join(self.path, "cpuacct.usage")).read()) / 1e9
        return sum(proc_cpu(p) for p in pids)


def proc_cpu(pid):
    try:
        f = open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split()
        return sum(int(x) for x in f[11:15]) / HZ  # own and waited-for children
    except OSError:
        return 0.0


def tree(root):
    kids = {}
    for d in os.listdir("/proc"):
        if d.isdigit():
            try:
                kids.setdefault(int(open(f"/proc/{d}/stat").read().rsplit(")", 1)[1].split()[1]), []).append(int(d))
            except OSError:
                pass
    out, todo = [], [root]
    while todo:
        p = todo.pop()
        out.append(p)
        todo += kids.get(p, [])
    return out


def hwm_mib(pid):
    try:
        m = re.search(r"VmHWM:\s+(\d+)", open(f"/proc/{pid}/status").read())
        return int(m.group(1)) / 1024 if m else 0.0
    except OSError:
        return 0.0


class Psql:
    def __init__(self):
        self.p = subprocess.Popen(["psql", "-qAtX", "-v", "ON_ERROR_STOP=0"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                  stderr=subprocess.STDOUT, text=True, bufsize=1)

    def q(self, sql):
        self.p.stdin.write(sql.rstrip().rstrip(";") + ";\n\\echo --end--\n")
        self.p.stdin.flush()
        rows = []
        for line in self.p.stdout:
            line = line.rstrip("\n")
            if line == "--end--":
                return rows
            if line.startswith("ERROR"):
                raise RuntimeError(line)
            rows.append(line.split("|"))
        raise RuntimeError("psql ended")

    def close(self):
        self.p.stdin.close()
        self.p.wait()


TABLE = """create table aggregated_web_traffic (window_start timestamptz not null, window_end timestamptz not null, host text not null,
 referrer text not null, country_code text, region text, city text, num_hits bigint not null)"""

# The tree of a table that is not partitioned is empty; a contestant may have dropped the table to make its own.
SIZE = """with t as (select to_regclass('aggregated_web_traffic') as id)
select coalesce(pg_relation_size(id), 0) + coalesce((select sum(pg_relation_size(relid)) from pg_partition_tree(id)), 0) from t"""

# A country code of "unknown" is how Tidemark says that an address has no country; the others leave it empty.
VERIFY = """with got as (select window_start, host, referrer, {place_got}, sum(num_hits) hits, count(*) copies,
  bool_and(window_end = window_start + interval '5 min') ok
  from aggregated_web_traffic where window_start < '{end}' group by 1,2,3,4,5,6),
want as (select window_start, host, referrer, {place_want}, sum(num_hits) num_hits from expected group by 1,2,3,4,5,6)
select coalesce(sum(copies),0), coalesce(sum(g.hits),0), count(*) filter (where g.hits is null), count(*) filter (where e.num_hits is null),
 count(*) filter (where e.num_hits <> g.hits), coalesce(sum(copies),0) - count(g.hits), count(*) filter (where not ok)
from want e full join got g using (window_start, host, referrer, country_code, region, city)"""
PLACE_GOT = "coalesce(nullif(country_code,'unknown'),'') country_code, coalesce(region,'') region, coalesce(city,'') city"
PLACE_WANT = "country_code, region, city"
NO_PLACE = "'' country_code, '' region, '' city"


def first_record(log, otherwise):
    """When the peer got its first record: its own line FIRST_RECORD <epoch ms>; Tidemark logs when its partitions were assigned."""
    m = re.search(rb"FIRST_RECORD (\d+)", log)
    if m:
        return int(m.group(1)) / 1000
    m = re.search(rb'"time":"([^"]+)"[^\n]*"partitions assigned"', log)
    if m:
        return datetime.datetime.fromisoformat(m.group(1).decode().replace("Z", "+00:00")).timestamp()
    return otherwise


def end_group(child):
    """SIGTERM to the whole process group, SIGKILL to what is left of it after 25 s."""
    for sig, wait in ((signal.SIGTERM, 25), (signal.SIGKILL, None)):
        try:
            os.killpg(child.pid, sig)
            child.wait(wait)
        except ProcessLookupError:
            return
        except subprocess.TimeoutExpired:
            pass


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("--peer", required=True)
    ap.add_argument("--variant", default="")
    ap.add_argument("--topic", required=True)
    ap.add_argument("--oracle", required=True)
    ap.add_argument("--results", required=True)
    ap.add_argument("--logs", required=True)
    ap.add_argument("--broker-pid", type=int, required=True)
    ap.add_argument("--pg-pid", type=int, required=True)
    ap.add_argument("--after-drain", default="", help="shell command that produces the closing events once the peer is idle")
    ap.add_argument("--timeout", type=float, default=900)
    ap.add_argument("--stall", type=float, default=25)
    ap.add_argument("cmd", nargs="+")
    a = ap.parse_args()

    oracle = json.load(open(os.path.join(a.oracle, "oracle.json")))
    end, total = oracle["end"], oracle["events"]
    last_window = oracle["windows"][-1]["start"]
    name = a.peer + (f"-{a.variant}" if a.variant else "")
    db = Psql()
    db.q("set client_min_messages = error")
    sha = db.q("select coalesce(obj_description(to_regclass('expected')), '')")[0][0]
    if sha != oracle["table_sha256"]:
        db.q("drop table if exists expected")
        db.q("create table expected (window_start timestamptz, host text, referrer text, country_code text, region text, city text, num_hits bigint)")
        csv = os.path.abspath(os.path.join(a.oracle, "expected.csv"))
        db.q("\\copy expected from '%s' with (format csv, force_not_null (host, referrer, country_code, region, city))" % csv)
        db.q("analyze expected")
        db.q("comment on table expected is '%s'" % oracle["table_sha256"])
    db.q("drop table if exists aggregated_web_traffic cascade")
    db.q(TABLE)
    db.q("checkpoint")

    pg = Cgroup("pg")
    for p in tree(a.pg_pid):
        pg.add(p)
    run_id = f"{name}-{int(time.time())}"
    sut = Cgroup(run_id)
    state = os.path.join(a.logs, "..", "state", run_id)
    os.makedirs(state, exist_ok=True)
    log_path = os.path.join(a.logs, run_id + ".log")
    env = dict(os.environ, TOPIC=a.topic, GROUP=run_id, VARIANT=a.variant, STATE_DIR=os.path.abspath(state))
    pg0, br0 = pg.cpu(tree(a.pg_pid)), proc_cpu(a.broker_pid)
    t0 = time.time()
    child = subprocess.Popen(a.cmd, env=env, stdout=open(log_path, "wb"), stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
                             start_new_session=True, preexec_fn=lambda: sut.add(os.getpid()))
    # A contestant that outlived a failed measurement once wrote into the next one's table.
    atexit.register(end_group, child)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    samples, seen, peak = [], set(), 0.0
    size, size_at, checked = -1, t0, -1
    drained_at = sentinel_at = None
    idle_since, idle_cpu = None, 0.0
    reason = ""
    while not reason:
        time.sleep(0.2)
        now = time.time()
        pids = tree(child.pid)
        samples.append((now, sut.cpu(pids), pg.cpu(tree(a.pg_pid)) if pg.path else 0.0, proc_cpu(a.broker_pid)))
        # a child just forked still shows its parent's memory: count a process from its second sample on
        peak = max(peak, sum(hwm_mib(p) for p in pids if p in seen))
        seen = set(pids)
        if a.after_drain and not sentinel_at and len(samples) > 75:
            back = samples[-16]
            if (samples[-1][1] - back[1]) / (now - back[0]) < 0.15 and b"FIRST_RECORD" in open(log_path, "rb").read():
                drained_at = back[0]
                subprocess.run(a.after_drain, shell=True, check=True)
                sentinel_at = time.time()
                size_at = sentinel_at
        s = int(db.q(SIZE)[0][0])
        if s != size:
            size, size_at = s, now
        exited = child.poll() is not None
        quiet = now - size_at
        if size > 0 and checked != size and (quiet > 1.5 or exited):
            checked = size
            hits, windows, last = db.q(f"select coalesce(sum(num_hits),0), count(distinct window_start), coalesce(max(window_start) = '{last_window}', false) from aggregated_web_traffic where window_start < '{end}'")[0]
            if int(hits) >= total:
                reason = "complete"
        if exited and not reason:
            reason = f"exited {child.returncode}"
        elif size > 0 and quiet > a.stall and not (a.after_drain and not sentinel_at) and not reason:
            reason = "stalled"
        elif now - t0 > a.timeout and not reason:
            reason = "timeout"
    end_group(child)
    db.q("set work_mem = '512MB'")
    first, last = db.q(f"select coalesce(extract(epoch from min(pg_xact_commit_timestamp(xmin))),0), coalesce(extract(epoch from max(pg_xact_commit_timestamp(xmin))),0) from aggregated_web_traffic where window_start < '{end}'")[0]
    first, last = float(first), float(last)
    no_place = "no-geo" in a.variant
    verify = VERIFY.format(end=end, place_got=NO_PLACE if no_place else PLACE_GOT, place_want=NO_PLACE if no_place else PLACE_WANT)
    rows, hits, missing, extra, differ, dup, badend = (int(x) for x in db.q(verify)[0])
    db.close()
    ok = (no_place or rows == oracle["rows"]) and hits == total and not (missing or extra or differ or dup or badend)
    at = next((s for s in samples if s[0] >= last), samples[-1])
    first_rec = first_record(open(log_path, "rb").read(), t0)
    wait = (sentinel_at - drained_at) if sentinel_at else 0.0
    drain = last - first_rec - wait
    cpu = at[1]
    cpu_first = next((s[1] for s in samples if s[0] >= first_rec), 0.0) if first_rec > t0 else 0.0
    r = {
        "peer": a.peer, "variant": a.variant, "when": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(t0)), "events": total, "end": reason,
        "verdict": "ok" if ok else "WRONG", "rows": rows, "hits": hits, "lost_hits": total - hits, "missing_rows": missing, "extra_rows": extra,
        "differing_rows": differ, "duplicate_rows": dup, "bad_window_end": badend,
        "first_record_s": round(first_rec - t0, 2), "first_row_s": round(first - t0, 2), "drain_s": round(drain, 2),
        "total_s": round(last - t0 - wait, 2), "events_per_s": round(total / drain) if drain > 0 else 0, "cpu_s": round(cpu, 2),
        "cpu_before_first_record_s": round(cpu_first, 2), "cpu_s_per_million": round(cpu / total * 1e6, 3),
        "steady_cpu_s_per_million": round((cpu - cpu_first) / total * 1e6, 3), "peak_rss_mib": round(peak, 1),
        "broker_cpu_s": round(at[3] - br0, 2), "pg_cpu_s": round(at[2] - pg0, 2), "cpu_by": sut.kind, "log": os.path.basename(log_path),
        "load1": os.getloadavg()[0],
    }
    with open(a.results, "a") as f:
        f.write(json.dumps(r) + "\n")
    print(json.dumps(r), file=sys.stderr)
    try:
        if sut.path:
            os.rmdir(sut.path)
    except OSError:
        pass


if __name__ == "__main__":
    main()
