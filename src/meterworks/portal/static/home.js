// The consumer's chart: asks our own server for one period, and draws it. No other host is ever asked.
import { echarts } from "/assets/echarts/index.js";

const box = document.getElementById("chart");
const note = document.getElementById("chart-note");
const buttons = [...document.querySelectorAll(".mw-tabs button")];

function colour(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

function label(start, period, zone) {
  const options = {
    today: { hour: "2-digit", minute: "2-digit" },
    week: { weekday: "short", day: "numeric", month: "short" },
    year: { month: "short" },
  }[period];
  return new Intl.DateTimeFormat("en-GB", { ...options, timeZone: zone }).format(new Date(start));
}

function draw(chart, answer) {
  const muted = colour("--muted");
  const zone = box.dataset.zone;
  chart.setOption({
    animation: false,
    grid: { left: 56, right: 12, top: 24, bottom: 32 },
    tooltip: { trigger: "axis", renderMode: "richText", valueFormatter: (value) => `${value} kWh` },
    xAxis: {
      type: "category",
      data: answer.starts.map((start) => label(start, answer.period, zone)),
      axisLabel: { color: muted },
      axisLine: { lineStyle: { color: colour("--line") } },
      axisTick: { show: false },
    },
    yAxis: {
      type: "value",
      name: "kWh",
      nameTextStyle: { color: muted },
      axisLabel: { color: muted },
      splitLine: { lineStyle: { color: colour("--line") } },
    },
    series: [{
      type: "bar",
      data: answer.values_wh.map((wh) => wh / 1000),
      itemStyle: { color: colour("--accent"), borderRadius: [4, 4, 0, 0] },
      barMaxWidth: 36,
    }],
  }, true);
}

async function show(chart, period) {
  for (const button of buttons) {
    button.setAttribute("aria-pressed", String(button.dataset.period === period));
  }
  const query = new URLSearchParams({ metering_point: box.dataset.point, period });
  const response = await fetch(`/home/series?${query}`, { headers: { Accept: "application/json" } });
  if (!response.ok) {
    note.textContent = "The usage cannot be shown at the moment.";
    return;
  }
  const answer = await response.json();
  note.textContent = answer.starts.length ? "" : "No readings in this period yet.";
  draw(chart, answer);
  box.dataset.drawn = period;
}

if (box) {
  const chart = echarts.init(box);
  new ResizeObserver(() => chart.resize()).observe(box);
  for (const button of buttons) {
    button.addEventListener("click", () => show(chart, button.dataset.period));
  }
  show(chart, "week");
}
