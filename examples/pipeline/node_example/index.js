'use strict';

const UNITS = [
  ['day', 86_400_000],
  ['hour', 3_600_000],
  ['minute', 60_000],
  ['second', 1_000],
];

/** How long before `now` the moment `then` was, in words; both are milliseconds or a Date. */
function ago(then, now = Date.now()) {
  const passed = Number(now) - Number(then);
  if (!Number.isFinite(passed)) {
    throw new TypeError('ago() needs two moments in time');
  }
  const [unit, size] = UNITS.find(([, length]) => Math.abs(passed) >= length) ?? UNITS.at(-1);
  return new Intl.RelativeTimeFormat('en').format(-Math.trunc(passed / size), unit);
}

module.exports = { ago };
