'use strict';

const assert = require('node:assert/strict');
const { execFileSync, spawnSync } = require('node:child_process');
const path = require('node:path');
const test = require('node:test');

const ms = require('ms');

const { ago } = require('../index.js');

const command = path.join(__dirname, '..', 'bin', 'node_example.js');

test('says how long ago a moment was', () => {
  assert.equal(ago(0, ms('1 minute')), '1 minute ago');
  assert.equal(ago(new Date(0), new Date(ms('2 hours'))), '2 hours ago');
});

test('says how far away a moment is', () => {
  assert.equal(ago(60_000, 0), 'in 1 minute');
});

test('refuses what is no moment', () => {
  assert.throws(() => ago('soon', 0), TypeError);
});

test('the command prints the answer', () => {
  const hourAgo = new Date(Date.now() - ms('1 hour')).toISOString();
  assert.match(execFileSync(process.execPath, [command, hourAgo], { encoding: 'utf8' }), /^1 hour ago\n$/);
});

test('the command explains itself', () => {
  const { status, stderr } = spawnSync(process.execPath, [command], { encoding: 'utf8' });
  assert.equal(status, 2);
  assert.match(stderr, /^usage:/);
});
