// The page. Everything that came from a server or a record is put in as text, never as markup.
const token = new URLSearchParams(location.search).get("token") ?? "";
const $ = id => document.getElementById(id);
const STEPS = [
  [0.04, "Thrifty: only what is likelier than about one in three."],
  [0.2, "Careful: likelier guesses only."],
  [1, "Balanced: whatever is expected to gain."],
  [4, "Eager: many calls may come to nothing."],
];
let chosen = null, patterns = [], sequence = 0;

function make(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (value === true) node.setAttribute(name, "");
    else if (value !== false && value != null) node.setAttribute(name, value);
  }
  node.append(...children.map(child => child ?? ""));
  return node;
}

function seconds(value) {
  if (value == null) return "–";
  if (Math.abs(value) < 1 && value) return `${value.toFixed(2)} s`;
  if (Math.abs(value) < 100) return `${value.toFixed(1)} s`;
  const minutes = Math.floor(value / 60);
  return minutes < 60 ? `${minutes} min ${Math.round(value % 60)} s` : `${Math.floor(minutes / 60).toLocaleString()} h ${minutes % 60} min`;
}
const percent = value => value == null ? "–" : `${Math.round(value * 100)} %`;
const time = at => new Date(at * 1000).toLocaleString([], {dateStyle: "short", timeStyle: "short"});

async function ask(path, sent) {
  const options = {headers: {"X-Paste-Token": token}};
  if (sent) Object.assign(options, {method: "POST", body: JSON.stringify(sent)});
  const answer = await fetch(`/api/${path}`, options);
  if (answer.headers.get("content-type")?.startsWith("image/svg")) return answer.text();
  const data = await answer.json();
  if (!answer.ok) throw new Error(data.error);
  return data;
}

function guard(work) {
  return async (...given) => {
    try { await work(...given); $("problem").hidden = true; }
    catch (error) { $("problem").textContent = error.message; $("problem").hidden = false; }
  };
}

let gone;
function say(text) {
  $("said").textContent = text; $("said").hidden = false;
  clearTimeout(gone); gone = setTimeout(() => { $("said").hidden = true; }, 6000);
}

const overview = guard(async () => {
  const number = ++sequence, data = await ask(`overview?days=${$("days").value}`);
  if (number !== sequence) return;
  const waiting = data.waiting, total = data.total;
  const gain = data.shadow_only ? waiting.would_save_s : waiting.saved_s;
  const words = data.shadow_only ? ["Running calls early would have saved ", " of waiting."] : ["Running calls early saved ", " of waiting."];
  $("saved-h").replaceChildren(...(total.calls ? [words[0], make("b", {}, seconds(gain)), words[1]] : ["Nothing was recorded yet. Use your agent, and watch."]));
  const figures = [
    ["tools took", seconds(waiting.without_s), "without speculation"],
    [data.shadow_only ? "would be saved" : "saved", seconds(gain), `${percent(waiting.without_s ? gain / waiting.without_s : null)} of that`],
    ["perfect foresight", seconds(waiting.oracle_s), `${percent(data.of_oracle)} of it reached`],
    ["answered early", data.shadow_only ? total.shadow_hits : total.hits + total.late_hits, `of ${total.calls} calls`],
    ["for nothing", total.wasted, `of ${total.issued} early calls, ${seconds(total.wasted_s)}`],
  ];
  $("figures").replaceChildren(...figures.map(([name, value, more]) => make("div", {}, make("dt", {}, name), make("dd", {}, String(value), make("small", {}, more)))));
  $("live-text").textContent = data.live ? `${data.live} live ${data.live === 1 ? "session" : "sessions"}` : "no live session";
  $("live").className = data.live ? "on" : "";
  showSessions(data.sessions);
  showDays(data.days, data.shadow_only);
  const step = STEPS.reduce((best, [value], at) => Math.abs(Math.log(value / data.eagerness)) < Math.abs(Math.log(STEPS[best][0] / data.eagerness)) ? at : best, 0);
  if (document.activeElement !== $("dial")) setDial(step);
  $("why").replaceChildren(...(data.why_not.length ? data.why_not.map(([why, count]) => make("li", {}, make("span", {}, why), make("span", {class: "num"}, String(count)))) : [make("li", {class: "quiet"}, "nothing")]));
  $("servers").tBodies[0].replaceChildren(...data.servers.map(server => make("tr", {},
    make("td", {}, make("span", {class: server.up ? "dot on" : "dot", style: "display:inline-block;margin-right:.6rem", role: "img", "aria-label": server.up ? "up" : "not running"}), server.name),
    make("td", {class: "left"}, make("span", {class: "tag"}, server.mode || "–")), make("td", {}, String(server.calls)),
    make("td", {class: server.errors ? "errors" : ""}, String(server.errors)), make("td", {}, seconds(server.median_s)), make("td", {}, seconds(server.slow_s)), make("td", {}, seconds(server.saved_s)))));
});

function showSessions(sessions) {
  if (!sessions.some(session => session.id === chosen)) chosen = (sessions.find(one => one.live) ?? sessions.reduce((best, one) => !best || one.saved_s > best.saved_s ? one : best, null))?.id ?? null;
  const focused = document.activeElement?.dataset?.id;
  $("sessions").replaceChildren(...(sessions.length ? sessions.map(session => make("li", {}, make("button", {
    type: "button", "data-id": session.id, "aria-pressed": String(session.id === chosen), onclick: () => { chosen = session.id; showSessions(sessions); },
  }, make("span", {class: session.live ? "dot on" : "dot", role: "img", "aria-label": session.live ? "live" : "over"}), make("span", {}, time(session.began)), make("b", {class: "num"}, seconds(session.saved_s)),
  make("small", {}, `${session.host || "agent"} · ${session.calls} calls · ${session.useful} used, ${session.wasted} not${session.shadow ? " · shadow" : ""}`)))) : [make("li", {class: "quiet"}, "none yet")]));
  if (focused) document.querySelector(`[data-id="${CSS.escape(focused)}"]`)?.focus();
  if (chosen) picture();
}

const picture = guard(async () => {
  const wanted = chosen, text = await ask(`session/${encodeURIComponent(wanted)}`);
  if (wanted !== chosen) return;
  const drawn = new DOMParser().parseFromString(text, "image/svg+xml").documentElement;
  $("picture").replaceChildren(drawn.nodeName === "svg" ? document.importNode(drawn, true) : "");
});

function showDays(days, shadow) {
  const space = "http://www.w3.org/2000/svg", width = 640, height = 170, base = height - 20;
  const svg = document.createElementNS(space, "svg"), value = day => shadow ? day.would_save_s : day.saved_s;
  const most = Math.max(...days.map(day => Math.max(day.oracle_s, value(day))), 1e-9), each = Math.min(56, width / Math.max(days.length, 1));
  svg.setAttribute("viewBox", `0 0 ${width} ${height}`); svg.setAttribute("role", "img");
  svg.setAttribute("aria-label", days.map(day => `${day.date}: ${seconds(value(day))} of ${seconds(day.oracle_s)}`).join("; ") || "no days yet");
  const put = (tag, attributes, text) => { const node = document.createElementNS(space, tag); for (const [name, of] of Object.entries(attributes)) node.setAttribute(name, of); if (text) node.textContent = text; svg.append(node); return node; };
  days.forEach((day, at) => {
    for (const [name, of] of [["could", day.oracle_s], ["did", value(day)]]) {
      const tall = (base - 16) * of / most, bar = put("rect", {class: name, x: at * each + 2, y: base - tall, width: Math.max(2, each - 6), height: Math.max(1, tall), rx: 3});
      const title = document.createElementNS(space, "title"); title.textContent = `${day.date}: ${seconds(value(day))}, perfect foresight ${seconds(day.oracle_s)}`; bar.append(title);
    }
    if (at % Math.ceil(52 / each) === 0) put("text", {x: at * each + 2, y: height - 4}, day.date.slice(5));
  });
  if (days.length) put("text", {x: width, y: 11, "text-anchor": "end"}, "green: saved · grey: perfect foresight");
  $("chart").replaceChildren(svg);
}

function setDial(step) {
  $("dial").value = step; $("dial").setAttribute("aria-valuetext", STEPS[step][1]); $("dial-words").textContent = STEPS[step][1];
}
$("dial").addEventListener("input", () => setDial(Number($("dial").value)));
$("dial").addEventListener("change", guard(async () => { await ask("dial", {eagerness: STEPS[$("dial").value][0]}); say("Set. Running proxies follow within seconds."); }));

const loadPatterns = guard(async () => { patterns = (await ask("patterns")).patterns; showPatterns(); });
function showPatterns() {
  const words = $("find").value.toLowerCase().split(/\s+/).filter(Boolean);
  const shown = patterns.filter(one => words.every(word => `${one.name} ${one.after} ${one.next} ${one.source} ${one.state}`.toLowerCase().includes(word)));
  $("patterns").tBodies[0].replaceChildren(...shown.slice(0, 200).map(one => make("tr", {},
    make("td", {}, make("input", {type: "checkbox", role: "switch", class: "switch", checked: one.state === "on", disabled: one.state === "replaced", "aria-label": `${one.name} on`, onchange: event => turn(one, event.target)})),
    make("td", {}, one.name, make("small", {}, one.after ? `${one.after} → ${one.next}` : "")), make("td", {}, make("span", {class: "tag"}, one.source)),
    make("td", {}, one.probability == null ? "" : percent(one.probability)), make("td", {}, one.evidence ? one.evidence.join(" / ") : ""), make("td", {}, one.sent ? `${one.used} / ${one.sent}` : ""), make("td", {}, one.saved_s ? seconds(one.saved_s) : ""))));
}
async function turn(pattern, box) {
  try { say((await ask("patterns", {name: pattern.name, enabled: box.checked})).said); pattern.state = box.checked ? "on" : "off"; }
  catch (error) { box.checked = !box.checked; say(error.message); }
}
$("find").addEventListener("input", showPatterns);

const audit = guard(async () => {
  const query = new URLSearchParams({q: $("words").value, kind: $("kind").value});
  const {lines} = await ask(`audit?${query}`);
  $("audit").tBodies[0].replaceChildren(...lines.map(line => make("tr", {}, make("td", {}, time(line.at)), make("td", {class: `kind-${line.kind}`}, line.kind),
    make("td", {}, line.tool ? `${line.server}/${line.tool}` : `guess ${line.guess}`), make("td", {}, [line.outcome, line.pattern, line.row].filter(Boolean).join(" · ")), make("td", {}, line.session ?? ""))));
});
let later;
for (const [id, event] of [["words", "input"], ["kind", "change"]]) $(id).addEventListener(event, () => { clearTimeout(later); later = setTimeout(audit, 200); });

$("days").addEventListener("change", overview);
const feed = new EventSource(`/api/events?token=${encodeURIComponent(token)}`);
feed.addEventListener("changed", () => { overview(); loadPatterns(); audit(); });
feed.addEventListener("error", () => { $("live").className = ""; $("live-text").textContent = "not connected"; overview(); });
