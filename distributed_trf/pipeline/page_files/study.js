// The page of a study. Names are data: they become text, never markup.
"use strict";

const POLL = 2000; // ms
const LABELS = { read: "read recordings", assess: "assess units", extract: "extract features", fit: "fit layers", analyse: "analyses" };
const WORDS = { w: "waiting", b: "cannot begin: something it needs is missing", f: "failed", d: "done", e: "done in an earlier run" };
// cividis: reads the same with every kind of colour vision, and in grey.
const COLOURS = ["#00224e", "#1a386f", "#434e6c", "#61656f", "#7d7c78", "#9b9476", "#bcae6c", "#dec958", "#fee838"];

const $ = (id) => document.getElementById(id);
let run = null; // whose layout is known
let layout = { tables: [], rows: [], layers: {} };
let chosen = ""; // name of the table that is shown
let cells = new Map(); // "row column" -> element

function make(tag, className, text) {
  const element = document.createElement(tag);
  if (className) element.className = className;
  if (text !== undefined) element.textContent = text;
  return element;
}

function set(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

function rgb(r, top) {
  const place = Math.min(Math.max(r / top, 0), 1) * (COLOURS.length - 1);
  const low = Math.min(Math.floor(place), COLOURS.length - 2);
  const parts = (hex) => [1, 3, 5].map((k) => parseInt(hex.slice(k, k + 2), 16));
  const [a, b] = [parts(COLOURS[low]), parts(COLOURS[low + 1])];
  return a.map((value, k) => Math.round(value + (b[k] - value) * (place - low)));
}

function duration(seconds) {
  const s = Math.round(seconds);
  if (s < 60) return `${s} s`;
  if (s < 3600) return `${Math.floor(s / 60)} min ${s % 60} s`;
  if (s < 86400) return `${Math.floor(s / 3600)} h ${Math.floor((s % 3600) / 60)} min`;
  return `${Math.floor(s / 86400)} d ${Math.floor((s % 86400) / 3600)} h`;
}

function size(bytes) {
  return bytes < 2 ** 30 ? `${Math.round(bytes / 2 ** 20)} MiB` : `${(bytes / 2 ** 30).toFixed(1)} GiB`;
}

function showHeader(study, live) {
  const name = study.study || "study";
  const items = (study.stages || []).reduce((sum, s) => [sum[0] + s.done + s.earlier, sum[1] + s.total], [0, 0]);
  document.title = `${items[1] ? Math.floor((100 * items[0]) / items[1]) : 0} % ${name}`;
  set($("title"), name);
  const passed = study.began ? ` ${duration((study.ended || live.now) - study.began)}` : "";
  set($("state"), (study.state || "starting") + passed);
  $("state").className = `state ${study.state || ""}`;
  const about = [study.cluster && `${study.cluster}, ${study.device}`, study.output];
  set($("about"), about.filter(Boolean).join(" · "));
}

function showStages(study, live) {
  const busy = {};
  for (const worker of live.workers) for (const item of worker.items) busy[item.stage] = (busy[item.stage] || 0) + 1;
  $("stages").replaceChildren(...(study.stages || []).map((stage) => {
    const now = stage.began && !stage.ended;
    const box = make("div", now ? "stage now" : "stage");
    const head = make("p");
    head.append(make("span", "", LABELS[stage.name] || stage.name), make("span", "", `${stage.done + stage.earlier} / ${stage.total}`));
    const bar = make("div", "bar");
    for (const kind of ["earlier", "done", "failed", "blocked"]) {
      const part = make("i", kind);
      part.style.width = `${(100 * stage[kind]) / Math.max(stage.total, 1)}%`;
      bar.append(part);
    }
    const told = [];
    if (stage.earlier) told.push(`${stage.earlier} earlier`);
    if (stage.failed) told.push(`${stage.failed} failed`);
    if (stage.blocked) told.push(`${stage.blocked} cannot begin`);
    if (now && busy[stage.name]) told.push(`${busy[stage.name]} running`);
    const time = now ? (stage.left === null ? "" : `${duration(stage.left)} left`) : stage.began ? duration(stage.ended - stage.began) : "";
    const foot = make("p", "small");
    foot.append(make("span", "", told.join(", ")), make("span", "", time));
    box.append(head, bar, foot);
    return box;
  }));
}

function drawTables() {
  $("tables").replaceChildren(...layout.tables.map(([name, stimuli, width]) => {
    const button = make("button", "", `${stimuli}, ${width} ms `);
    button.append(make("span"));
    button.dataset.table = name;
    button.addEventListener("click", () => { chosen = name; poll(); });
    return button;
  }));
  $("tables").hidden = layout.tables.length < 2;
}

function showTables(study, live) {
  const busy = new Set(live.workers.flatMap((worker) => worker.items.map((item) => item.place && item.place[0])));
  for (const button of $("tables").children) {
    const name = button.dataset.table;
    button.setAttribute("aria-pressed", String(name === chosen));
    button.className = busy.has(name) ? "busy" : "";
    set(button.lastChild, `${study.fitted[name][0]} of ${study.fitted[name][1]}`);
  }
}

function drawRows() {
  cells = new Map();
  const ids = [...new Set(Object.values(layout.layers).flat().map((layer) => layer[0]))].sort((a, b) => a - b);
  const head = make("tr");
  head.append(make("th", "name", "network"), make("th", "name", "weights"), make("th", "name", "features"));
  for (const id of ids) head.append(make("th", "", String(id)));
  const above = make("tr");
  const over = make("th", "over", "layer");
  over.colSpan = ids.length;
  const aside = make("td");
  aside.colSpan = 3;
  above.append(aside, over);
  const thead = make("thead");
  thead.append(above, head);
  const body = make("tbody");
  layout.rows.forEach(([network, weights], row) => {
    const layers = layout.layers[network];
    const again = row > 0 && layout.rows[row - 1][0] === network;
    const line = make("tr", row > 0 && !again ? "next" : "");
    const name = make("th", "name", again ? "" : network);
    name.scope = "row";
    const extracted = make("div", "bar extracted");
    extracted.append(make("i", "done"));
    cells.set(`${row}`, extracted);
    const place = make("td");
    place.append(extracted);
    line.append(name, make("th", "name quiet", weights), place);
    const column = new Map(layers.map((layer, k) => [layer[0], k]));
    for (const id of ids) {
      const square = make("td");
      if (column.has(id)) {
        const cell = make("div", "cell");
        cells.set(`${row} ${column.get(id)}`, cell);
        square.append(cell);
      }
      line.append(square);
    }
    body.append(line);
  });
  $("grid").replaceChildren(thead, body);
}

function fillCells(table, live) {
  const [, stimuli] = layout.tables.find(([name]) => name === chosen);
  const running = new Map();
  for (const worker of live.workers) for (const item of worker.items) {
    if (!item.place) continue;
    const [of, row, column] = item.place; // an extraction is of a stimulus set and a whole row
    if (column === null && of === stimuli) running.set(`${row}`, item);
    else if (column !== null && of === chosen) running.set(`${row} ${column}`, item);
  }
  const values = table.cells.flat().map((cell) => cell[1]).filter((r) => r !== null);
  const top = Math.max(Math.ceil(Math.max(0, ...values) * 20 - 1e-9) / 20, 0.1);
  layout.rows.forEach(([network, weights], row) => {
    const [done, total] = table.extracted[row];
    const bar = cells.get(`${row}`);
    bar.className = running.has(`${row}`) ? "bar extracted running" : "bar extracted";
    bar.firstChild.style.width = `${(100 * done) / Math.max(total, 1)}%`;
    bar.title = `${done} of ${total} batches of ${stimuli} extracted`;
    layout.layers[network].forEach(([id, module, type], column) => {
      const cell = cells.get(`${row} ${column}`);
      const [state, r] = table.cells[row][column];
      const item = running.get(`${row} ${column}`);
      const shown = item ? "running" : WORDS[state];
      const about = `${network} ${weights}, layer ${id} (${module}, ${type}): `;
      const has = state === "d" || state === "e";
      cell.className = `cell ${item ? "running" : { b: "blocked", f: "failed", e: "earlier", d: "done" }[state] || ""}`;
      cell.title = about + (item ? `running for ${duration(item.seconds)}` : has ? `median r ${r === null ? "of no unit" : r}, ${shown}` : shown);
      set(cell, item ? "" : state === "f" ? "✕" : has ? (r === null ? "–" : r.toFixed(2).replace("-0.00", "0.00")) : "");
      if (has && !item && r !== null) {
        const colour = rgb(r, top);
        cell.style.background = `rgb(${colour.join(",")})`;
        cell.style.color = 0.299 * colour[0] + 0.587 * colour[1] + 0.114 * colour[2] > 125 ? "#111" : "#fff";
      } else {
        cell.style.background = cell.style.color = "";
      }
    });
  });
  showLegend(top);
}

function showLegend(top) {
  if ($("legend").dataset.top === String(top)) return;
  $("legend").dataset.top = String(top);
  const scale = make("span", "scale");
  for (let k = 0; k < 30; k++) {
    const part = make("i");
    part.style.background = `rgb(${rgb(k / 29, 1).join(",")})`;
    scale.append(part);
  }
  const kinds = [["running", "running"], ["earlier", "earlier run"], ["failed", "failed", "✕"], ["blocked", "cannot begin"]];
  $("legend").replaceChildren(
    make("span", "", "0"), scale, make("span", "", top.toFixed(2)),
    ...kinds.flatMap(([kind, word, sign]) => [make("span", `cell ${kind}`, sign || ""), make("span", "", word)]),
  );
}

function showFailures(study) {
  const failed = study.failed || [];
  $("failures").hidden = failed.length === 0;
  $("failed").replaceChildren(...failed.map(({ reason, first, items }) => {
    const line = make("li");
    line.append(make("strong", "", first + (items > 1 ? ` and ${items - 1} more` : "")), make("span", "", `: ${reason}`));
    return line;
  }));
}

function showWorkers(live, study) {
  set($("n-workers"), live.workers.length ? `${live.workers.length}` : "none at the moment");
  const head = make("tr");
  for (const word of ["name", "host", "device", "memory", "CPU", "item"]) head.append(make("th", "", word));
  const thead = make("thead");
  thead.append(head);
  const body = make("tbody");
  for (const worker of live.workers) {
    const line = make("tr");
    const memory = make("td");
    if (worker.limit) {
      const bar = make("div", "bar");
      const part = make("i", worker.memory > 0.8 * worker.limit ? "failed" : "done");
      part.style.width = `${Math.min((100 * worker.memory) / worker.limit, 100)}%`;
      bar.append(part);
      memory.append(bar, " ");
    }
    memory.append(size(worker.memory) + (worker.limit ? ` of ${size(worker.limit)}` : ""));
    const items = worker.items.map((item) => `${item.stage} ${item.key} (${duration(item.seconds)})`).join(", ");
    const name = make("td", "", worker.name);
    name.title = worker.address;
    line.append(name, make("td", "", worker.host), make("td", "", worker.gpu || study.device || ""), memory,
      make("td", "", `${Math.round(worker.cpu)} %`), make("td", "", items || "idle"));
    body.append(line);
  }
  $("workers").replaceChildren(...(live.workers.length ? [thead, body] : []));
  $("notes").replaceChildren(...[...live.notes].reverse().map(({ time, ...told }) => {
    const plain = Object.entries(told).filter(([, value]) => typeof value !== "object");
    const said = plain.map(([key, value]) => (key === "action" ? value : `${key} ${value}`)).join(", ");
    return make("li", "", `${new Date(1000 * time).toLocaleTimeString()} ${said}`);
  }));
}

let waiting = null;

async function ask(what) {
  try {
    const answer = await fetch(`study/${what}`);
    return answer.ok ? await answer.json() : null;
  } catch {
    return null; // nobody answers
  }
}

async function poll() {
  clearTimeout(waiting);
  const found = await ask(`state.json?table=${encodeURIComponent(chosen)}`);
  clearTimeout(waiting); // of a poll that a click began meanwhile
  waiting = setTimeout(poll, POLL);
  if (found === null) return showLost();
  const { study, table, live } = found;
  showHeader(study, live);
  showStages(study, live);
  showFailures(study);
  showWorkers(live, study);
  if (study.run && study.run !== run) return begin(study.run);
  if (!table || table.name !== chosen) return;
  showTables(study, live);
  fillCells(table, live);
}

async function begin(of) {
  const found = await ask("layout.json");
  if (found === null) return;
  [run, layout] = [of, found];
  if (!layout.tables.some(([name]) => name === chosen)) chosen = layout.tables.length ? layout.tables[0][0] : "";
  drawTables();
  drawRows();
  return poll();
}

function showLost() {
  if ($("state").classList.contains("lost")) return;
  $("state").className = "state lost";
  set($("state"), `no answer since ${new Date().toLocaleTimeString()}: the run has ended, or the tunnel to it`);
}

poll();
