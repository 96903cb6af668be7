// Usage by day -> by day, week or month, and since the first day.

const MEASURES = {
  bytes_sent: "Bytes sent",
  number_of_requests: "Requests",
  number_of_downloads: "Downloads",
};

/** The days of a summary, `{day, …}`, with the day as a moment in milliseconds. */
function datesOf({ first, gaps }) {
  let moment = Date.parse(`${first}T00:00:00Z`);
  return gaps.map((gap) => (moment += gap * DAY));
}

/** The moment at which the period of a day begins. */
function startOf(moment, step) {
  const date = new Date(moment);
  if (step === "month") return Date.UTC(date.getUTCFullYear(), date.getUTCMonth());
  return step === "week" ? moment - ((date.getUTCDay() + 6) % 7) * DAY : moment;
}

/** The moment at which a period ends, and the next begins. */
function endOf(start, step) {
  const date = new Date(start);
  if (step === "month") return Date.UTC(date.getUTCFullYear(), date.getUTCMonth() + 1);
  return start + (step === "week" ? 7 : 1) * DAY;
}

/**
 * A measure by period, every period from the first day to the last, those with no request as 0.
 *
 * Each has `start`, `end`, `told` (the sum of what is told), `most` (with what the others can add at
 * most), `untold` (how many days are not told), `bounded` (whether `most` is all).
 */
function periodsOf(byDay, measure, step, first, last) {
  const periods = new Map();
  for (let start = startOf(first, step); start <= last; start = endOf(start, step)) {
    periods.set(start, { start, end: endOf(start, step), told: 0, most: 0, untold: 0, bounded: true });
  }
  if (!byDay) return [...periods.values()];
  const dates = datesOf(byDay);
  byDay[measure].forEach((value, row) => {
    const period = periods.get(startOf(dates[row], step));
    if (!period) return;
    if (isTold(value)) {
      period.told += value;
      period.most += value;
    } else {
      const most = mostOf(value);
      period.untold += 1;
      period.most += most ?? 0;
      period.bounded &&= most !== null;
    }
  });
  return [...periods.values()];
}

/** The same summed up from the first period to each. */
function summedUp(periods) {
  let sum = { told: 0, most: 0, untold: 0, bounded: true };
  return periods.map((period) => {
    sum = {
      told: sum.told + period.told,
      most: sum.most + period.most,
      untold: sum.untold + period.untold,
      bounded: sum.bounded && period.bounded,
    };
    return { ...period, ...sum };
  });
}

/** A figure of a period in words: with what it leaves out; `digits` says how exact bytes are. */
function figureText({ told, most, untold, bounded }, measure, digits = null) {
  if (measure === "bytes_sent") return bytesInFull(told, digits);
  if (!untold) return countText(told);
  const days = `${counted(untold, "day")} not told`;
  return bounded && most > told
    ? `${WHOLE.format(told)} to ${WHOLE.format(most)}, ${days}`
    : `at least ${WHOLE.format(told)}, ${days}`;
}

/** Periods as the rows of a chart of steps, closed at the end of the last. */
function stepRows(periods, measure, step, digits) {
  const rows = periods.map((period) => ({
    start: period.start,
    end: period.end,
    told: period.told,
    most: period.most,
    period: periodText(period.start, period.end, step),
    figure: figureText(period, measure, digits),
  }));
  const last = rows.at(-1);
  return last ? [...rows, { ...last, start: last.end }] : rows;
}

/** Sums as the rows of a chart of a line: 0 at the first start, each sum at the end of its period. */
function lineRows(sums, before, measure, step, digits) {
  let held = before;
  const rows = sums.map((sum) => {
    const row = {
      start: sum.start,
      end: sum.end,
      told: held.told,
      most: held.most,
      period: `up to ${periodText(sum.start, sum.end, step)}`,
      figure: figureText(sum, measure, digits),
    };
    held = sum;
    return row;
  });
  const last = sums.at(-1);
  return last ? [...rows, { start: last.end, end: last.end, told: last.told, most: last.most }] : rows;
}

/** Bytes by week and type as stacked parts by period. */
function typeRows(byWeek, types, step, first, last, digits) {
  if (!byWeek) return [];
  const coarse = step === "month" ? "month" : "week";
  const stacks = new Map();
  datesOf(byWeek).forEach((week, row) => {
    const start = startOf(week, coarse);
    if (endOf(week, "week") <= first || week > last) return;
    const stack = stacks.get(start) ?? new Map();
    for (const type of types) {
      stack.set(type, (stack.get(type) ?? 0) + (byWeek[type]?.[row] ?? 0));
    }
    stacks.set(start, stack);
  });
  return [...stacks].flatMap(([start, stack]) => {
    let top = 0;
    return [...stack].filter(([, bytes]) => bytes > 0).map(([type, bytes]) => {
      const from = top;
      top += bytes;
      const end = endOf(start, coarse);
      return {
        start, end, type, from, to: top, bytes,
        period: periodText(start, end, coarse),
        figure: bytesInFull(bytes, digits),
      };
    });
  });
}
