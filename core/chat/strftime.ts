/** Dates as Python's `strftime` writes them in the C locale, in UTC. */

const DAYS = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];
const MONTHS = [
  "January",
  "February",
  "March",
  "April",
  "May",
  "June",
  "July",
  "August",
  "September",
  "October",
  "November",
  "December",
];

/** Longer than any date; a template's format is no way around its budget. */
const MAX_FORMAT_CHARS = 256;

/** `date` in the given format; directives that are not known stay as they are. */
export function formatTime(date: Date, format: string): string {
  const day = DAYS[date.getUTCDay()]!;
  const month = MONTHS[date.getUTCMonth()]!;
  const hours = date.getUTCHours();
  const numbers: Readonly<Record<string, readonly [value: number, width: number]>> = {
    Y: [date.getUTCFullYear(), 4],
    y: [date.getUTCFullYear() % 100, 2],
    m: [date.getUTCMonth() + 1, 2],
    d: [date.getUTCDate(), 2],
    H: [hours, 2],
    I: [hours % 12 === 0 ? 12 : hours % 12, 2],
    M: [date.getUTCMinutes(), 2],
    S: [date.getUTCSeconds(), 2],
    j: [dayOfYear(date), 3],
  };
  const words: Readonly<Record<string, string>> = {
    A: day,
    a: day.slice(0, 3),
    B: month,
    b: month.slice(0, 3),
    p: hours < 12 ? "AM" : "PM",
    Z: "UTC",
    z: "+0000",
    "%": "%",
  };
  return format
    .slice(0, MAX_FORMAT_CHARS)
    .replaceAll(/%(-?)([A-Za-z%])/gu, (directive, plain: string, letter: string) => {
      const number = numbers[letter];
      if (number === undefined) return words[letter] ?? directive;
      const [value, width] = number;
      return plain === "-" ? String(value) : String(value).padStart(width, "0");
    });
}

function dayOfYear(date: Date): number {
  const start = Date.UTC(date.getUTCFullYear(), 0, 1);
  return Math.floor((date.getTime() - start) / 86_400_000) + 1;
}
