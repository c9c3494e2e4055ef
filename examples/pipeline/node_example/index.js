'use strict';

const ms = require('ms');

/** How long before `now` the moment `then` was, in words; both are milliseconds or a Date. */
function ago(then, now = Date.now()) {
  const passed = Number(now) - Number(then);
  if (!Number.isFinite(passed)) {
    throw new TypeError('ago() needs two moments in time');
  }
  return passed < 0 ? `in ${ms(-passed, { long: true })}` : `${ms(passed, { long: true })} ago`;
}

module.exports = { ago };
