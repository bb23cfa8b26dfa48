// The whole life of an account with Supabase's own JavaScript client, unchanged.
// Arguments: URL, publishable key, secret key. Ends with exit code 0 and "ok", or with the assertion that failed.
import assert from 'node:assert/strict'
import { createClient } from '@supabase/supabase-js'
import ws from 'ws'

const [url, publishableKey, secretKey] = process.argv.slice(2)
const options = { auth: { persistSession: false, autoRefreshToken: false }, realtime: { transport: ws } }
const newClient = (key = publishableKey, auth = {}) =>
  createClient(url, key, { ...options, auth: { ...options.auth, ...auth } })
const good = ({ data, error }) => (assert.ifError(error), data)
const bad = ({ error }, code, status) => {
  assert.equal(error?.code, code)
  if (status) assert.equal(error.status, status)
}

const email = `ada.${crypto.randomUUID()}@example.com`
const password = 'a quiet afternoon'
const admin = newClient(secretKey).auth.admin

async function signUpAndIn() {
  const client = newClient()
  const { user, session } = good(await client.auth.signUp({ email, password, options: { data: { full_name: 'Ada' } } }))
  assert.equal(user.email, email)
  assert.equal(user.user_metadata.full_name, 'Ada')
  assert.equal(user.identities[0].provider, 'email')
  assert.equal(session.token_type, 'bearer')
  bad(await client.auth.signUp({ email, password }), 'user_already_exists', 422)
  bad(await newClient().auth.signInWithPassword({ email, password: 'wrong' }), 'invalid_credentials', 400)
  good(await newClient().auth.signInWithPassword({ email: email.toUpperCase(), password }))
  return client
}

async function readAndChange(client) {
  assert.equal(good(await client.auth.getUser()).user.email, email)
  const { claims } = good(await client.auth.getClaims())  // verified on the client, with our JWKS
  assert.equal(claims.iss, `${url}/auth/v1`)
  assert.equal(claims.role, 'authenticated')
  const { user } = good(await client.auth.updateUser({ data: { colour: 'green' } }))
  assert.deepEqual(user.user_metadata, { full_name: 'Ada', colour: 'green' })
  bad(await client.auth.updateUser({ password }), 'same_password', 422)
  const { error } = await client.auth.updateUser({ password: 'short' })
  assert.equal(error.name, 'AuthWeakPasswordError')
  assert.deepEqual(error.reasons, ['length'])
}

async function refreshByItself() {
  const kept = new Map()
  const storage = {
    getItem: (key) => kept.get(key) ?? null,
    setItem: (key, value) => void kept.set(key, value),
    removeItem: (key) => void kept.delete(key),
  }
  const client = newClient(publishableKey, { persistSession: true, storage })
  const { session } = good(await client.auth.signInWithPassword({ email, password }))
  const [key] = [...kept.keys()].filter((name) => kept.get(name).includes('access_token'))
  kept.set(key, JSON.stringify({ ...session, expires_at: Math.floor(Date.now() / 1000) + 5 }))  // soon, to this client
  const refreshed = new Promise((resolve) =>
    client.auth.onAuthStateChange((event, next) => event === 'TOKEN_REFRESHED' && resolve(next)),
  )
  await client.auth.startAutoRefresh()
  const next = await refreshed
  await client.auth.stopAutoRefresh()
  assert.notEqual(next.refresh_token, session.refresh_token)
  assert.equal(good(await newClient().auth.getUser(next.access_token)).user.email, email)
}

async function refreshTwice(client) {
  const before = good(await client.auth.getSession()).session
  const first = good(await client.auth.refreshSession()).session
  assert.notEqual(first.refresh_token, before.refresh_token)
  const again = good(await newClient().auth.refreshSession({ refresh_token: before.refresh_token })).session
  assert.equal(again.refresh_token, first.refresh_token)  // its child was lost, so it is given again
}

async function signOutInEveryScope() {
  const session = async () => {
    const client = newClient()
    good(await client.auth.signInWithPassword({ email, password }))
    return [client, good(await client.auth.getSession()).session.access_token]
  }
  const [one, oneToken] = await session()
  const [two, twoToken] = await session()
  const [, threeToken] = await session()
  assert.ifError((await one.auth.signOut({ scope: 'local' })).error)
  await isRefused(oneToken)
  assert.ifError((await two.auth.signOut({ scope: 'others' })).error)
  await isRefused(threeToken)
  good(await newClient().auth.getUser(twoToken))
  assert.ifError((await two.auth.signOut({ scope: 'global' })).error)
  await isRefused(twoToken)
  const [, fourToken] = await session()
  assert.ifError((await admin.signOut(fourToken, 'global')).error)
  await isRefused(fourToken)
}

async function isRefused(token) {
  const answer = await fetch(`${url}/auth/v1/user`, { headers: { apikey: publishableKey, authorization: `Bearer ${token}` } })
  assert.equal(answer.status, 403)
  assert.equal((await answer.json()).error_code, 'session_not_found')
}

async function administer() {
  const other = `grace.${crypto.randomUUID()}@example.com`
  const form = { email: other, password, email_confirm: true, user_metadata: { a: 1 }, app_metadata: { plan: 'pro' } }
  const { user } = good(await admin.createUser(form))
  assert.deepEqual(user.app_metadata, { provider: 'email', providers: ['email'], plan: 'pro' })
  bad(await admin.createUser(form), 'email_exists', 422)
  assert.equal(good(await admin.getUserById(user.id)).user.email, other)
  const page = good(await admin.listUsers({ page: 1, perPage: 1 }))
  assert.equal(page.users.length, 1)
  assert.ok(page.total >= 2 && page.nextPage === 2)
  good(await admin.updateUserById(user.id, { ban_duration: '24h' }))
  bad(await newClient().auth.signInWithPassword({ email: other, password }), 'user_banned', 400)
  good(await admin.updateUserById(user.id, { ban_duration: 'none' }))
  good(await newClient().auth.signInWithPassword({ email: other, password }))
  good(await admin.deleteUser(user.id, true))
  assert.equal(good(await admin.getUserById(user.id)).user.email.endsWith('@deleted.invalid'), true)
  good(await admin.deleteUser(user.id))
  bad(await admin.getUserById(user.id), 'user_not_found', 404)
  bad(await newClient().auth.admin.listUsers(), 'not_admin', 403)
}

async function useLinks() {
  const client = newClient()
  const { properties } = good(await admin.generateLink({ type: 'recovery', email }))
  const token_hash = properties.hashed_token
  assert.equal(good(await client.auth.verifyOtp({ token_hash, type: 'recovery' })).user.email, email)
  bad(await newClient().auth.verifyOtp({ token_hash, type: 'recovery' }), 'otp_expired', 403)
  const link = good(await admin.generateLink({ type: 'magiclink', email })).properties
  assert.equal(good(await newClient().auth.verifyOtp({ email, token: link.email_otp, type: 'email' })).user.email, email)
  const invited = good(await admin.inviteUserByEmail(`joan.${crypto.randomUUID()}@example.com`)).user
  assert.ok(invited.invited_at)
  assert.deepEqual(good(await client.auth.resetPasswordForEmail(email)), {})
}

async function beAnonymous() {
  const client = newClient()
  const { user } = good(await client.auth.signInAnonymously())
  assert.equal(user.is_anonymous, true)
  const permanent = `anon.${crypto.randomUUID()}@example.com`
  const changed = good(await client.auth.updateUser({ email: permanent, password })).user
  assert.deepEqual([changed.email, changed.is_anonymous], [permanent, false])
}

const client = await signUpAndIn()
await readAndChange(client)
await refreshByItself()
await refreshTwice(client)
await administer()
await useLinks()
await beAnonymous()
await signOutInEveryScope()
bad(await newClient().auth.signInWithOtp({ phone: '+4915112345678' }), 'phone_provider_disabled', 400)
bad(await newClient().auth.signInWithSSO({ domain: 'example.com' }), 'saml_provider_disabled', 404)
console.log('ok')
process.exit(0)
