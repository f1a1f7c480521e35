// The Rust suite starts the server and sets RESLY_URL and RESLY_ADMIN_KEY. Each test file makes keys of its own.
import { createClient } from '@supabase/supabase-js';

const url = process.env.RESLY_URL;
const admin = process.env.RESLY_ADMIN_KEY;
if (!url || !admin) throw new Error('set RESLY_URL and RESLY_ADMIN_KEY to a running server');

export async function api(path, body) {
  const response = await fetch(`${url}${path}`, {
    method: 'POST',
    headers: { authorization: `Bearer ${admin}`, 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
  if (!response.ok) throw new Error(`${path}: ${response.status} ${await response.text()}`);
  return response.json();
}

/** A client as its users make it: it sends the key in both headers. */
export async function client(...scopes) {
  const { key } = await api('/api/admin/keys', { name: 'tables', scopes });
  return createClient(url, key);
}

/** The data of an answer that must be one. */
export function data(answer) {
  if (answer.error) throw new Error(JSON.stringify(answer.error));
  return answer.data;
}
