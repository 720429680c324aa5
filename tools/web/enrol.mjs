// Registers passkeys with another system's own code, in its own tables, for the tests
// of the importer. For each passkey it reads three lines, and answers each with one:
//
//	the user's name, in JSON      the options of a registration
//	the registration's answer     the options of a sign-in
//	the sign-in's answer          the user's id, in JSON
//
// node enrol.mjs better-auth|simplewebauthn, with PostgreSQL's URL in DATABASE_URL.
import { createInterface } from 'node:readline'
import { randomUUID, webcrypto } from 'node:crypto'
import pg from 'pg'

// Debian 12 has Node 18, where these are no globals yet.
globalThis.crypto ??= webcrypto
globalThis.SubtleCrypto ??= webcrypto.subtle.constructor

const origin = 'https://example.org'
const rpID = 'example.org'
const database = new pg.Pool({ connectionString: process.env.DATABASE_URL })

// better-auth as an application has it: a user signs up with a password, and adds a
// passkey from their account's page.
async function startBetterAuth() {
	const { betterAuth } = await import('better-auth')
	const { getMigrations } = await import('better-auth/db/migration')
	const { passkey } = await import('@better-auth/passkey')
	const options = {
		database,
		baseURL: origin,
		secret: 'of this test alone, and nothing hangs on it',
		emailAndPassword: { enabled: true, password: { hash: async (p) => p } }, // which nobody signs in with
		plugins: [passkey({ rpID, rpName: 'Example', origin })],
	}
	await (await getMigrations(options)).runMigrations()
	const auth = betterAuth(options)

	return async function* (name) {
		let cookies = new Map()
		const call = async (path, body) => {
			const response = await auth.handler(new Request(origin + '/api/auth' + path, {
				method: body ? 'POST' : 'GET',
				headers: { origin, 'content-type': 'application/json', cookie: [...cookies].map((pair) => pair.join('=')).join('; ') },
				body: body && JSON.stringify(body),
			}))
			if (!response.ok) throw new Error(`${path}: ${response.status} ${await response.text()}`)
			for (const cookie of response.headers.getSetCookie()) {
				const [, key, value] = cookie.match(/^([^=]*)=([^;]*)/)
				cookies.set(key, value)
			}
			return response.json()
		}
		const { user } = await call('/sign-up/email', { name, email: name + '@example.org', password: 'correct horse' })
		const registration = yield call('/passkey/generate-register-options')
		await call('/passkey/verify-registration', { response: registration, name: name + "'s" })
		cookies = new Map()
		const assertion = yield call('/passkey/generate-authenticate-options')
		const { session } = await call('/passkey/verify-authentication', { response: assertion })
		if (session.userId !== user.id) throw new Error('signed in as somebody else')
		yield user.id
	}
}

// SimpleWebAuthn as its documentation has it, from the options to the table.
async function startSimpleWebAuthn() {
	const server = await import('@simplewebauthn/server')
	await database.query(`CREATE TABLE passkeys (
		cred_id text PRIMARY KEY, cred_public_key bytea, internal_user_id text, webauthn_user_id text UNIQUE, counter bigint,
		backup_eligible boolean, backup_status boolean, transports varchar(255), created_at timestamptz, last_used timestamptz)`)

	return async function* (name) {
		const user = randomUUID()
		const options = await server.generateRegistrationOptions({ rpName: 'Example', rpID, userName: name, attestationType: 'none' })
		const registration = yield options
		const { verified, registrationInfo } = await server.verifyRegistrationResponse({
			response: registration, expectedChallenge: options.challenge, expectedOrigin: origin, expectedRPID: rpID,
		})
		if (!verified) throw new Error('not registered')
		const { credential, credentialDeviceType, credentialBackedUp } = registrationInfo
		await database.query('INSERT INTO passkeys VALUES ($1, $2, $3, $4, $5, $6, $7, $8, now(), NULL)', [
			credential.id, Buffer.from(credential.publicKey), user, options.user.id, credential.counter,
			credentialDeviceType === 'multiDevice', credentialBackedUp, credential.transports?.join(','),
		])
		const request = await server.generateAuthenticationOptions({ rpID })
		const assertion = yield request
		const result = await server.verifyAuthenticationResponse({
			response: assertion, expectedChallenge: request.challenge, expectedOrigin: origin, expectedRPID: rpID, credential,
		})
		if (!result.verified) throw new Error('not signed in')
		await database.query('UPDATE passkeys SET counter = $1, last_used = now() WHERE cred_id = $2', [result.authenticationInfo.newCounter, credential.id])
		yield user
	}
}

const start = { 'better-auth': startBetterAuth, simplewebauthn: startSimpleWebAuthn }[process.argv[2]]
const enrol = await start()
let steps
for await (const line of createInterface({ input: process.stdin })) {
	const said = JSON.parse(line)
	if (typeof said === 'string') steps = enrol(said)
	const { value } = await steps.next(said)
	console.log(JSON.stringify(value))
}
await database.end()
