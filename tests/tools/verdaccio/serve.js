// Serves a fresh npm registry on a free port of 127.0.0.1 and says which one; it ends when its standard input does.
// usage: NODE_PATH=…/node_modules node serve.js FOLDER PREFIX
'use strict';

const path = require('node:path');
const { runServer } = require('verdaccio');

const [folder, prefix] = process.argv.slice(2);

const configuration = {
  self_path: path.join(folder, 'config.yaml'),
  storage: path.join(folder, 'storage'),
  // Only a part of the addresses in answers; requests come without it.
  url_prefix: prefix,
  auth: { htpasswd: { file: path.join(folder, 'htpasswd'), max_users: -1 } },
  uplinks: {},
  packages: { '**': { access: '$authenticated', publish: '$authenticated' } },
  web: { enable: false },
  log: { type: 'stdout', format: 'json', level: 'warn' },
};

runServer(configuration).then((server) => {
  server.listen(0, '127.0.0.1', () => console.log(`listening on ${server.address().port}`));
});

process.stdin.resume().on('end', () => process.exit());
