// How figures, dates and counts that are not told are written.

const UNITS = ["bytes", "kB", "MB", "GB", "TB", "PB", "EB"];
const WHOLE = new Intl.NumberFormat("en-US");
const DAY = 86_400_000; // milliseconds

/** Bytes in a unit that can be read: 1.23 TB. */
function bytesText(bytes) {
  let unit = 0;
  let value = bytes;
  while (value >= 999.5 && unit < UNITS.length - 1) {
    value /= 1000;
    unit += 1;
  }
  const digits = unit === 0 || value >= 100 ? 0 : value >= 10 ? 1 : 2;
  return `${value.toFixed(digits)} ${UNITS[unit]}`;
}

/** Bytes to the last: 1,234,567,890 bytes; or to how many digits they are known. */
function exactBytes(bytes, digits = null) {
  return digits ? `to ${digits} digits` : `${WHOLE.format(bytes)} bytes`;
}

/** Bytes in both ways. */
function bytesInFull(bytes, digits = null) {
  return bytes < 1000 && !digits ? exactBytes(bytes) : `${bytesText(bytes)} (${exactBytes(bytes, digits)})`;
}

/** A count, or the text that was published instead of it. */
function countText(count) {
  return isTold(count) ? WHOLE.format(count) : count || "not told";
}

function isTold(count) {
  return typeof count === "number";
}

/** The most that a count can be which is not told: 49 of "<50"; null if nothing says. */
function mostOf(count) {
  const below = /^<\s*(\d+)$/.exec(count);
  return below ? Number(below[1]) - 1 : null;
}

/** A share of a whole as a percentage. */
function shareText(part, whole) {
  if (!whole) return "–";
  const percent = (100 * part) / whole;
  if (percent > 0 && percent < 0.1) return "<0.1 %";
  return `${percent.toFixed(percent < 10 ? 1 : 0)} %`;
}

/** 2022-05-01, of a moment in milliseconds. */
function dayText(moment) {
  return new Date(moment).toISOString().slice(0, 10);
}

const MONTH_NAME = new Intl.DateTimeFormat("en-GB", { month: "long", year: "numeric", timeZone: "UTC" });

/** What a day, a week or a month is called. */
function periodText(start, end, step) {
  if (step === "month") return MONTH_NAME.format(start);
  return step === "week" ? `week of ${dayText(start)} to ${dayText(end - DAY)}` : dayText(start);
}

/** "1 day", "2 days". */
function counted(number, noun, plural = `${noun}s`) {
  return `${WHOLE.format(number)} ${number === 1 ? noun : plural}`;
}
