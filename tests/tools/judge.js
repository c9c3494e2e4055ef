// What npm makes of many packages, asked of its own libraries in one process, in the order in which `npm publish` uses
// them: `node judge.js NPM < QUESTIONS`. NPM is the folder that npm is installed in; a question is {"folder": PATH},
// {"archive": PATH} or, for the list of files alone, {"files": PATH}. The answers: {"files", "manifest"} or {"error"}.
'use strict'

const { createRequire } = require('node:module')
const { readFileSync, realpathSync } = require('node:fs')
const path = require('node:path')

const npm = createRequire(path.join(realpathSync(process.argv[2]), 'package.json'))
const Arborist = npm('@npmcli/arborist')
const packageJson = npm('@npmcli/package-json')
const packlist = npm('npm-packlist')
const pacote = npm('pacote')
const semver = npm('semver')
const npa = npm('npm-package-arg')

// npm dies of what is thrown in its walk through a folder.
let die = () => {}
process.on('uncaughtException', error => die(error))

const listed = async folder => {
  const tree = await new Arborist({ path: folder }).loadActual()
  const death = new Promise((resolve, reject) => { die = reject })
  const files = await Promise.race([packlist(tree, { path: folder }), death])
  return files.map(file => file.replace(/^\.\//, ''))
}

const answer = async ({ folder, archive, files }) => {
  if (files) {
    return { files: await listed(files) }
  }
  const own = {}
  let manifest
  if (folder) {
    const fixed = await packageJson.fix(folder, { changes: [] })
    manifest = (await fixed.prepare()).content
    own.files = await listed(folder)
  } else {
    manifest = await pacote.manifest(`file:${archive}`, { fullMetadata: true, fullReadJson: true, cache: process.argv[3] })
  }
  semver.parse(manifest.version).prerelease.length
  npa(`${manifest.name}@latest`)
  npa.resolve(manifest.name, manifest.version)
  if (manifest.private) {
    throw new Error('EPRIVATE')
  }
  // As libnpmpublish patches what it sends.
  const named = await new packageJson().fromContent({ ...manifest }).normalize({ steps: ['fixName'] })
  const sent = named.content
  const version = semver.clean(sent.version)
  if (!version) {
    throw new Error(`invalid version: ${sent.version}`)
  }
  Object.assign(sent, { version, _id: `${sent.name}@${version}`, dist: { ...sent.dist } })
  return { ...own, manifest: sent }
}

const main = async () => {
  const answers = []
  for (const question of JSON.parse(readFileSync(0, 'utf8'))) {
    answers.push(await answer(question).catch(error => ({ error: `${error.code ?? ''} ${error.message}`.trim() })))
  }
  // Halves of characters are written as escapes, which other readers of JSON refuse.
  process.stdout.write(JSON.stringify(answers).replace(/\\ud[89a-f][0-9a-f]{2}/g, '\\ufffd'))
}
main()
