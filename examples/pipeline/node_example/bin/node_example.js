#!/usr/bin/env node
'use strict';

const { ago } = require('../index.js');

const then = Date.parse(process.argv[2] ?? '');
if (Number.isNaN(then)) {
  console.error('usage: node_example <date>, for example node_example 2026-11-23T09:00:00Z');
  process.exitCode = 2;
} else {
  console.log(ago(then));
}
