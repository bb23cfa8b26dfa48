// Links in mails with `flowType: 'pkce'`, as @supabase/ssr has it: the server gets a code, and no token stands in a URL.
// Arguments: URL, publishable key. Ends with exit code 0 and "ok", or with the assertion that failed.
import assert from 'node:assert/strict'
import { createClient } from '@supabase/supabase-js'
import ws from 'ws'

const [url, publishableKey] = process.argv.slice(2)
const callback = 'http://localhost:3000/auth/callback?next=%2Ftasks'
const password = 'a quiet afternoon'
const newClient = () =>
  createClient(url, publishableKey, {
    auth: { flowType: 'pkce', persistSession: false, autoRefreshToken: false },
    realtime: { transport: ws },
  })
const newEmail = () => `ada.${crypto.randomUUID()}@example.com`
const good = ({ data, error }) => (assert.ifError(error), data)
const unescaped = (html) =>
  html.replace(/&quot;/g, '"').replace(/&#x27;/g, "'").replace(/&lt;/g, '<').replace(/&gt;/g, '>').replace(/&amp;/g, '&')

// Mails go out after the answer, so the newest one may be a moment late.
const seen = new Set()
async function mailedLink(to) {
  for (let left = 200; left > 0; left--) {
    const page = await (await fetch(`${url}/dev/mail`)).text()
    const message = page.split('<hr>').find((part) => part.includes(`<b>${to}</b>`))
    const link = message && unescaped(unescaped(message.match(/srcdoc="([^"]*)"/)[1]).match(/href="([^"]*)"/)[1])
    if (link && !seen.has(link)) {
      seen.add(link)
      return link
    }
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  assert.fail(`no mail to ${to}`)
}

async function follow(link) {
  const answer = await fetch(link, { redirect: 'manual' })
  assert.equal(answer.status, 303)
  const target = new URL(answer.headers.get('location'))
  assert.equal(target.origin, 'http://localhost:3000')
  assert.doesNotMatch(target.href, /access_token|refresh_token/)
  return target
}

async function signInByLink(client, email) {
  const target = await follow(await mailedLink(email))
  assert.equal(target.pathname, '/auth/callback')
  assert.equal(target.searchParams.get('next'), '/tasks')
  const { session, user } = good(await client.auth.exchangeCodeForSession(target.searchParams.get('code')))
  assert.equal(user.email, email)
  assert.equal(good(await client.auth.getUser()).user.email, email)
  return session
}

async function signUp() {
  const [client, email] = [newClient(), newEmail()]
  const { session } = good(await client.auth.signUp({ email, password, options: { emailRedirectTo: callback } }))
  assert.equal(session, null)
  await signInByLink(client, email)
  good(await newClient().auth.signInWithPassword({ email, password }))
  return email
}

async function askForTheConfirmationAgain() {
  const [client, email] = [newClient(), newEmail()]
  good(await client.auth.signUp({ email, password }))
  await mailedLink(email)
  good(await client.auth.resend({ type: 'signup', email, options: { emailRedirectTo: callback } }))
  await signInByLink(client, email)
}

async function signInWithoutPassword() {
  const [client, email] = [newClient(), newEmail()]
  good(await client.auth.signInWithOtp({ email, options: { emailRedirectTo: callback } }))
  const link = await mailedLink(email)
  const code = (await follow(link)).searchParams.get('code')
  // Somebody else has the link, and even the code, but not the secret.
  const thief = newClient()
  good(await thief.auth.signInWithOtp({ email: newEmail() }))
  assert.equal((await thief.auth.exchangeCodeForSession(code)).error.code, 'bad_code_verifier')
  good(await client.auth.exchangeCodeForSession(code))
  assert.equal((await follow(link)).searchParams.get('error_code'), 'otp_expired')
}

async function recover(email) {
  const client = newClient()
  const events = []
  client.auth.onAuthStateChange((event) => void events.push(event))
  good(await client.auth.resetPasswordForEmail(email, { redirectTo: callback }))
  await signInByLink(client, email)
  assert.ok(events.includes('PASSWORD_RECOVERY'))
  good(await client.auth.updateUser({ password: 'another afternoon' }))
  good(await newClient().auth.signInWithPassword({ email, password: 'another afternoon' }))
  return client
}

async function changeEmail(client, email) {
  const wanted = newEmail()
  good(await client.auth.updateUser({ email: wanted }, { emailRedirectTo: callback }))
  const target = await follow(await mailedLink(email))
  assert.match(target.searchParams.get('message'), /Please proceed to confirm/)
  await signInByLink(client, wanted)
}

async function verifyOnTheServer() {
  const [client, email] = [newClient(), newEmail()]
  good(await client.auth.signInWithOtp({ email }))
  const token_hash = new URL(await mailedLink(email)).searchParams.get('token')
  assert.equal(good(await newClient().auth.verifyOtp({ token_hash, type: 'email' })).user.email, email)
}

const email = await signUp()
await askForTheConfirmationAgain()
await signInWithoutPassword()
await changeEmail(await recover(email), email)
await verifyOnTheServer()
console.log('ok')
process.exit(0)
