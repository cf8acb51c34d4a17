// ali-oss on Node. Run as: node oss.mjs <story> <settings in JSON>. A story that ends without an exception has passed.
import assert from "node:assert/strict";
import crypto from "node:crypto";
import dns from "node:dns";
import fs from "node:fs";
import { Readable } from "node:stream";
import OSS from "ali-oss";

const [story, settings] = [process.argv[2], JSON.parse(process.argv[3])];
const { port, bucket, accessKeyId, accessKeySecret, directory } = settings;
const authorizationV4 = settings.signature === "v4";
const region = "oss-cn-hangzhou";
const KIB = 1 << 10;
const MIB = 1 << 20;
const md5 = (data) => crypto.createHash("md5").update(data).digest("hex").toUpperCase();

// What a browser resolves by itself and a deployment's name server by its records: every name here is this machine.
const resolve = dns.lookup;
dns.lookup = (name, options, done) => resolve(/(^|\.)(localhost|example\.test)$/.test(name) ? "localhost" : name, options, done);

function connect(options = {}) {
  return new OSS({ region, endpoint: `http://localhost:${port}`, bucket, accessKeyId, accessKeySecret, authorizationV4, ...options });
}

async function contentOf(client, name, options) {
  return (await client.get(name, options)).content;
}

const stories = {
  async buckets() {
    const client = connect();
    const name = `${bucket}-js`;
    const made = await client.putBucket(name, { acl: "public-read" });
    assert.equal(made.bucket, name);
    assert.equal((await client.getBucketACL(name)).acl, "public-read");
    await client.putBucketACL(name, "private");
    const { bucket: info } = await client.getBucketInfo(name);
    assert.deepEqual([info.Name, info.StorageClass, info.AccessControlList.Grant], [name, "Standard", "private"]);
    assert.equal((await client.getBucketLocation(name)).location, info.Location);
    const listed = await client.listBuckets({ prefix: name, "max-keys": 10 });
    assert.deepEqual(listed.buckets.map((entry) => entry.name), [name]);
    assert.ok(listed.owner.id);
    assert.equal((await client.getBucketStat(name)).stat.ObjectCount, "0");

    await client.putBucketCORS(name, [{ allowedOrigin: "*", allowedMethod: ["GET", "PUT"], allowedHeader: "*", exposeHeader: ["ETag"], maxAgeSeconds: "9" }]);
    const { rules } = await client.getBucketCORS(name);
    assert.deepEqual([rules[0].allowedOrigin, rules[0].allowedMethod, rules[0].exposeHeader, rules[0].maxAgeSeconds], ["*", ["GET", "PUT"], "ETag", "9"]);
    await client.deleteBucketCORS(name);
    await assert.rejects(client.getBucketCORS(name), { code: "NoSuchCORSConfiguration", status: 404 });
    await client.putBucketReferer(name, false, ["http://a.example"]);
    const referer = await client.getBucketReferer(name);
    assert.deepEqual([referer.allowEmpty, referer.referers], [false, ["http://a.example"]]);
    await client.deleteBucketReferer(name);
    await client.putBucketLifecycle(name, [{ id: "r", prefix: "logs/", status: "Enabled", expiration: { days: 3 }, tag: [{ key: "k", value: "v" }] }]);
    const lifecycle = await client.getBucketLifecycle(name);
    assert.deepEqual([lifecycle.rules[0].id, lifecycle.rules[0].expiration.days, lifecycle.rules[0].tag], ["r", "3", [{ key: "k", value: "v" }]]);
    await client.deleteBucketLifecycle(name);
    await client.putBucketTags(name, { a: "1" });
    assert.deepEqual((await client.getBucketTags(name)).tag, { a: "1" });
    await client.deleteBucketTags(name);
    await client.deleteBucket(name);
    await assert.rejects(client.getBucketInfo(name), { code: "NoSuchBucket", name: "NoSuchBucketError", status: 404 });
  },

  async objects() {
    const client = connect();
    const body = crypto.randomBytes(300_000);
    const keys = ["dir/ä +%&//..😀", "plain"];
    for (const key of keys) {
      const put = await client.put(key, body, {
        headers: { "Cache-Control": "no-store", "Content-Disposition": "attachment", "x-oss-tagging": "a=1" },
        meta: { author: "foo@bar.com" }, mime: "text/x-test",
      });
      assert.deepEqual([put.name, put.res.status, put.res.headers.etag], [key, 200, `"${md5(body)}"`]);
      assert.match(put.res.headers["x-oss-request-id"], /^[0-9A-F]{24}$/);
      assert.deepEqual(await contentOf(client, key), body);
      const { meta, res: { headers } } = await client.head(key);
      assert.deepEqual(meta, { author: "foo@bar.com" });
      assert.deepEqual([headers["content-type"], headers["cache-control"], headers["content-length"]], ["text/x-test", "no-store", "300000"]);
      assert.equal((await client.getObjectMeta(key)).res.headers["content-length"], "300000");
      assert.deepEqual((await client.getObjectTagging(key)).tag, { a: "1" });
      const part = await client.get(key, { headers: { Range: "bytes=10-19" } });
      assert.deepEqual([part.res.status, part.content], [206, body.subarray(10, 20)]);
    }
    // A stream without a length is sent in chunks; a file with one.
    await client.putStream("streamed", Readable.from([Buffer.from("one"), Buffer.from("two")]));
    assert.equal((await contentOf(client, "streamed")).toString(), "onetwo");
    fs.writeFileSync(`${directory}/source`, body);
    await client.put("from file", `${directory}/source`);
    await client.get("from file", `${directory}/down`);
    assert.deepEqual(fs.readFileSync(`${directory}/down`), body);
    const { stream } = await client.getStream("from file");
    assert.deepEqual(Buffer.concat(await stream.toArray()), body);

    await client.copy("copy", keys[0]);
    assert.deepEqual((await client.head("copy")).meta, { author: "foo@bar.com" });
    await client.putMeta("copy", { only: "this" });
    assert.deepEqual((await client.head("copy")).meta, { only: "this" });
    assert.equal((await client.get("copy", { headers: { "If-None-Match": `"${md5(body)}"` } })).res.status, 304);
    await assert.rejects(client.get("copy", { headers: { "If-Match": '"0"' } }), { code: "PreconditionFailed", status: 412 });
    await assert.rejects(client.put("copy", body, { headers: { "x-oss-forbid-overwrite": "true" } }), { code: "FileAlreadyExists", status: 409 });

    await client.putACL("copy", "public-read");
    assert.equal((await client.getACL("copy")).acl, "public-read");
    await client.putObjectTagging("copy", { x: "1", y: "2" });
    assert.deepEqual((await client.getObjectTagging("copy")).tag, { x: "1", y: "2" });
    await client.deleteObjectTagging("copy");
    await client.putSymlink("link", "dir/ä +%&//..😀", { meta: { own: "1" } });
    assert.equal((await client.getSymlink("link")).targetName, "dir/ä +%&//..😀");
    assert.deepEqual(await contentOf(client, "link"), body);
    const first = await client.append("log", Buffer.from("one"));
    assert.equal(first.nextAppendPosition, "3");
    assert.equal((await client.append("log", Buffer.from("two"), { position: first.nextAppendPosition })).nextAppendPosition, "6");
    await assert.rejects(client.append("log", Buffer.from("x"), { position: "1" }), { code: "PositionNotEqualToLength", status: 409 });
    assert.equal((await contentOf(client, "log")).toString(), "onetwo");

    const names = [];
    // With version 4 the SDK leaves what is undefined out of the signature but not out of the URL, so nothing is undefined here.
    for (let marker = ""; marker !== null; ) {
      const page = await client.list({ "max-keys": 3, ...(marker && { marker }) });
      names.push(...page.objects.map((entry) => entry.name));
      assert.ok(page.objects.every((entry) => entry.owner.id && entry.storageClass === "Standard"));
      marker = page.nextMarker;
    }
    assert.deepEqual(names, ["copy", "dir/ä +%&//..😀", "from file", "link", "log", "plain", "streamed"]);
    const again = [];
    for (let token = ""; token !== null; ) {
      const page = await client.listV2({ "max-keys": 3, ...(token && { "continuation-token": token }) });
      again.push(...page.objects.map((entry) => entry.name));
      token = page.nextContinuationToken;
    }
    assert.deepEqual(again, names);
    const grouped = await client.list({ delimiter: "/", "max-keys": 100 });
    assert.deepEqual([grouped.prefixes, grouped.objects.length], [["dir/"], names.length - 1]);
    assert.equal((await client.delete("copy")).res.status, 204);
    const deleted = await client.deleteMulti(names.slice(1, 4));
    assert.deepEqual(deleted.deleted.map((entry) => entry.Key), names.slice(1, 4));
    assert.deepEqual((await client.deleteMulti(names.slice(4), { quiet: true })).deleted, []);
    assert.deepEqual((await client.list({})).objects, []);

    const error = await client.get("absent").then(() => assert.fail(), (error) => error);
    assert.deepEqual([error.code, error.name, error.status, error.message], ["NoSuchKey", "NoSuchKeyError", 404, "The specified key does not exist."]);
    assert.match(error.requestId, /^[0-9A-F]{24}$/);
    assert.equal(error.ecCode, "0026-00000001");
    await assert.rejects(client.head("absent"), { code: "NoSuchKey", status: 404 });
    await assert.rejects(connect({ accessKeySecret: "wrong" }).get("absent"), { code: "SignatureDoesNotMatch", status: 403 });
  },

  async multipart() {
    const client = connect();
    const body = crypto.randomBytes(5 * MIB + 123);
    const name = "dir/big ü +&";
    fs.writeFileSync(`${directory}/source`, body);
    // Cancelled half-way, continued from the checkpoint by another client.
    let checkpoint;
    await assert.rejects(
      client.multipartUpload(name, `${directory}/source`, {
        partSize: 512 * KIB, parallel: 2, meta: { a: "b" },
        progress(done, state) {
          checkpoint = state;
          if (done > 0.5) client.cancel();
        },
      }),
      { name: "cancel" },
    );
    const { parts } = await client.listParts(name, checkpoint.uploadId);
    assert.ok(parts.length >= 5 && parts.length < 11, `${parts.length} parts`);
    assert.deepEqual((await client.listUploads({ "max-uploads": 10 })).uploads.map((upload) => [upload.name, upload.uploadId]), [[name, checkpoint.uploadId]]);
    const kept = checkpoint.doneParts.length;
    let sent = 0;
    const other = connect();
    const done = await other.multipartUpload(name, `${directory}/source`, { checkpoint, partSize: 512 * KIB, parallel: 2, meta: { a: "b" }, progress: () => void sent++ });
    assert.ok(sent <= 11 - kept + 1, `${sent} steps after ${kept} of 11 parts`);
    assert.match(done.etag, /^"[0-9A-F]{32}-11"$/);
    assert.deepEqual(await contentOf(client, name), body);
    const head = await client.head(name);
    assert.deepEqual(head.meta, { a: "b" });
    assert.ok(head.res.headers["x-oss-hash-crc64ecma"]);
    // The SDK's own part size, from memory.
    await client.multipartUpload("memory", body);
    assert.deepEqual(await contentOf(client, "memory"), body);
    await client.multipartUpload("small", Buffer.from("under 100 KiB"));
    assert.equal((await contentOf(client, "small")).toString(), "under 100 KiB");
    await client.multipartUploadCopy("copied", { sourceKey: name, sourceBucketName: bucket }, { partSize: MIB });
    assert.deepEqual(await contentOf(client, "copied"), body);

    // By hand, and aborted.
    const { uploadId } = await client.initMultipartUpload("hand");
    const one = await client.uploadPart("hand", uploadId, 1, `${directory}/source`, 0, 200 * KIB);
    const two = await client.uploadPart("hand", uploadId, 2, `${directory}/source`, 200 * KIB, 201 * KIB);
    const completed = await client.completeMultipartUpload("hand", uploadId, [{ number: 2, etag: two.etag }, { number: 1, etag: one.etag }]);
    assert.equal(completed.res.status, 200);
    assert.deepEqual(await contentOf(client, "hand"), body.subarray(0, 201 * KIB));
    const gone = await client.initMultipartUpload("gone");
    assert.equal((await client.abortMultipartUpload("gone", gone.uploadId)).res.status, 204);
    await assert.rejects(client.listParts("gone", gone.uploadId), { code: "NoSuchUpload", status: 404 });
    assert.deepEqual((await client.listUploads({ "max-uploads": 10 })).uploads, []);
  },

  async sts() {
    const sts = new OSS.STS({ accessKeyId, accessKeySecret, endpoint: `http://localhost:${port}` });
    const policy = { Version: "1", Statement: [{ Effect: "Allow", Action: ["oss:PutObject"], Resource: [`acs:oss:*:*:${bucket}/up/*`] }] };
    const assume = async (policy) => (await sts.assumeRole("acs:ram::1234567890123456:role/demo", policy, 900, "session-1")).credentials;
    const temporary = (credentials, options) =>
      connect({ accessKeyId: credentials.AccessKeyId, accessKeySecret: credentials.AccessKeySecret, stsToken: credentials.SecurityToken, ...options });
    const narrow = await assume(policy);
    assert.match(narrow.AccessKeyId, /^STS\./);
    const left = new Date(narrow.Expiration) - Date.now();
    assert.ok(left > 890_000 && left < 910_000, narrow.Expiration);
    const limited = temporary(narrow);
    await limited.put("up/ü", Buffer.from("allowed"));
    await assert.rejects(limited.put("elsewhere", Buffer.from("refused")), { code: "AccessDenied", status: 403 });
    await assert.rejects(limited.get("up/ü"), { code: "AccessDenied", status: 403 });
    // `fetch` gives text a Content-Type, which the signature would have to know of; a buffer gets none.
    const url = authorizationV4
      ? await limited.signatureUrlV4("PUT", 60, {}, "up/url")
      : limited.signatureUrl("up/url", { method: "PUT", expires: 60 });
    assert.equal((await fetch(url, { method: "PUT", body: Buffer.from("by URL") })).status, 200);
    const whole = connect();
    assert.equal((await contentOf(whole, "up/url")).toString(), "by URL");

    // Refreshed by the client itself, in the middle of an upload.
    let refreshed = 0;
    const full = await assume();
    const refreshing = temporary(full, {
      refreshSTSTokenInterval: 1,
      async refreshSTSToken() {
        refreshed++;
        const { AccessKeyId, AccessKeySecret, SecurityToken } = await assume();
        return { accessKeyId: AccessKeyId, accessKeySecret: AccessKeySecret, stsToken: SecurityToken };
      },
    });
    const body = crypto.randomBytes(MIB);
    await refreshing.multipartUpload("refreshed", body, { partSize: 200 * KIB, parallel: 1 });
    assert.ok(refreshed > 3, `${refreshed} times`);
    assert.deepEqual(await contentOf(refreshing, "refreshed"), body);

    const forged = (token) => temporary({ ...full, SecurityToken: token }, { refreshSTSToken: undefined }).get("refreshed");
    const half = full.SecurityToken.length >> 1;
    const flipped = full.SecurityToken.slice(0, half) + (full.SecurityToken[half] === "A" ? "B" : "A") + full.SecurityToken.slice(half + 1);
    await assert.rejects(forged(flipped), { code: "InvalidSecurityToken", status: 403 });
    await assert.rejects(forged("nonsense"), { code: "InvalidSecurityToken", status: 403 });
    await assert.rejects(connect({ accessKeyId: full.AccessKeyId, accessKeySecret: full.AccessKeySecret }).get("refreshed"), { code: "InvalidAccessKeyId", status: 403 });
    const unknown = new OSS.STS({ accessKeyId: "LTAI5tNobodyAtAll", accessKeySecret, endpoint: `http://localhost:${port}` });
    await assert.rejects(unknown.assumeRole("acs:ram::1:role/demo"), { code: "InvalidAccessKeyId.NotFound", status: 404 });
    const wrong = new OSS.STS({ accessKeyId, accessKeySecret: "wrong", endpoint: `http://localhost:${port}` });
    await assert.rejects(wrong.assumeRole("acs:ram::1:role/demo"), { code: "SignatureDoesNotMatch", status: 400 });
  },

  async urls() {
    const client = connect();
    const name = "dir/ü +&";
    const headers = { "Content-Type": "text/x-signed", "x-oss-meta-a": "b" };
    const put = client.signatureUrl(name, { method: "PUT", expires: 60, ...headers });
    assert.equal((await fetch(put, { method: "PUT", body: "signed", headers })).status, 200);
    assert.equal((await fetch(put, { method: "PUT", body: "signed" })).status, 403, "without the headers it was signed for");
    const got = await fetch(client.signatureUrl(name, { expires: 60, response: { "content-type": "a/b" } }));
    assert.deepEqual([got.status, await got.text(), got.headers.get("content-type")], [200, "signed", "a/b"]);

    const putV4 = await client.signatureUrlV4("PUT", 60, { headers }, name);
    assert.equal((await fetch(putV4, { method: "PUT", body: "signed 4", headers })).status, 200);
    assert.equal((await fetch(putV4, { method: "PUT", body: "signed 4", headers: { ...headers, "x-oss-meta-a": "c" } })).status, 403);
    const gotV4 = await fetch(await client.signatureUrlV4("GET", 60, { queries: { "response-content-type": "a/b" } }, name));
    assert.deepEqual([gotV4.status, await gotV4.text(), gotV4.headers.get("content-type"), gotV4.headers.get("x-oss-meta-a")], [200, "signed 4", "a/b", "b"]);
    const strict = await client.signatureUrlV4("PUT", 60, { headers: { ...headers, "Content-Length": "5", "Content-Disposition": "attachment" } }, name, ["Content-Length", "Content-Disposition"]);
    assert.equal((await fetch(strict, { method: "PUT", body: "five!", headers: { ...headers, "Content-Disposition": "attachment" } })).status, 200);
    assert.equal((await fetch(strict, { method: "PUT", body: "seven!!", headers: { ...headers, "Content-Disposition": "attachment" } })).status, 403);
    assert.equal((await contentOf(client, name)).toString(), "five!");
  },

  async forms() {
    const client = connect();
    const action = `http://${bucket}.localhost:${port}/`;
    const expiration = new Date(Date.now() + 60_000).toISOString();
    const send = async (fields, content = "posted") => {
      const form = new FormData();
      for (const [name, value] of Object.entries(fields)) form.append(name, value);
      form.append("file", new Blob([content], { type: "text/plain" }), "ü name.txt");
      const answer = await fetch(action, { method: "POST", body: form, redirect: "manual" });
      return [answer.status, await answer.text(), answer.headers];
    };
    const conditions = [{ bucket }, ["starts-with", "$key", "up/"], ["content-length-range", 1, 100]];
    const v1 = client.calculatePostSignature({ expiration, conditions });

    const date = new Date();
    const stamp = date.toISOString().replace(/[-:]|\.\d+/g, "");
    const credential = `${accessKeyId}/${stamp.slice(0, 8)}/cn-hangzhou/oss/aliyun_v4_request`;
    const names = { "x-oss-signature-version": "OSS4-HMAC-SHA256", "x-oss-credential": credential, "x-oss-date": stamp };
    const policy = { expiration, conditions: [...conditions, ...Object.entries(names).map(([name, value]) => ({ [name]: value }))] };
    const v4 = { ...names, policy: Buffer.from(JSON.stringify(policy)).toString("base64"), "x-oss-signature": client.signPostObjectPolicyV4(policy, date) };

    for (const signed of [v1, v4]) {
      const [status, text] = await send({ key: "up/${filename}", "x-oss-meta-a": "b", "x-oss-content-type": "text/x-posted", ...signed });
      assert.deepEqual([status, text], [204, ""]);
      const got = await client.get("up/ü name.txt");
      assert.deepEqual([got.content.toString(), got.res.headers["x-oss-meta-a"], got.res.headers["content-type"]], ["posted", "b", "text/x-posted"]);
      const [created, document] = await send({ key: "up/201", success_action_status: "201", ...signed });
      assert.equal(created, 201);
      assert.match(document, new RegExp(`<PostResponse>.*<Bucket>${bucket}</Bucket>.*<Key>up/201</Key>.*<ETag>(&quot;|")?${md5("posted")}(&quot;|")?</ETag>.*</PostResponse>`, "s"));
      const [redirected, , headers] = await send({ key: "up/303", success_action_redirect: "http://app.example.test/done?x=1", ...signed });
      const target = new URL(headers.get("location"));
      assert.deepEqual([redirected, target.host, target.searchParams.get("x"), target.searchParams.get("key")], [303, "app.example.test", "1", "up/303"]);
      const refused = async (fields, status, code, content) => {
        const [got, text] = await send({ ...signed, ...fields }, content);
        assert.deepEqual([got, /<Code>(.*)<\/Code>/.exec(text)?.[1]], [status, code], text);
      };
      await refused({ key: "elsewhere" }, 403, "AccessDenied");
      await refused({ key: "up/large" }, 400, "EntityTooLarge", "x".repeat(101));
      await refused({ key: "up/x", policy: Buffer.from('{"expiration":"2032-01-01T00:00:00.000Z","conditions":[]}').toString("base64") }, 403, "SignatureDoesNotMatch");
    }
    const late = client.calculatePostSignature({ expiration: "2020-01-01T00:00:00.000Z", conditions });
    const [status, text] = await send({ key: "up/late", ...late });
    assert.equal(status, 403);
    assert.match(text, /Invalid according to Policy: Policy expired\./);
    await assert.rejects(client.head("up/late"), { status: 404 });
  },

  // The application's answer comes back; its failure is an error although the object is there.
  async callbacks() {
    const client = connect();
    const callback = {
      url: `${settings.app}/ok?from=ali-oss`,
      body: "bucket=${bucket}&object=${object}&etag=${etag}&size=${size}&mime=${mimeType}&who=${x:who}",
      contentType: "application/x-www-form-urlencoded", customValue: { who: "me & ü" },
    };
    const body = crypto.randomBytes(300 * KIB);
    const put = await client.put("dir/ü +&", body, { callback, mime: "text/x-cb" });
    assert.deepEqual([put.res.status, put.data.got.object, put.data.got.size, put.data.got.who], [200, "dir/ü +&", String(body.length), "me & ü"]);
    assert.deepEqual([put.data.got.bucket, put.data.got.mime, put.res.headers.etag], [bucket, "text/x-cb", `"${md5(body)}"`]);
    const multi = await client.multipartUpload("multi", body, { partSize: 100 * KIB, callback });
    assert.deepEqual([multi.data.got.object, multi.data.got.size], ["multi", String(body.length)]);
    const json = { url: `${settings.app}/ok`, body: '{"object":${object},"size":${size}}', contentType: "application/json" };
    assert.deepEqual((await client.put("json", body, { callback: json })).data.got, { object: "json", size: body.length });
    const url = client.signatureUrl("by URL", { method: "PUT", expires: 60, callback });
    const answer = await fetch(url, { method: "PUT", body: Buffer.from("by URL") });
    assert.deepEqual([answer.status, (await answer.json()).got.who], [200, "me & ü"]);
    const failing = { ...callback, url: `${settings.app}/fail` };
    await assert.rejects(client.put("kept", body, { callback: failing }), { code: "CallbackFailed", status: 203 });
    assert.deepEqual(await contentOf(client, "kept"), body);
    const { uploadId } = await client.initMultipartUpload("kept multi");
    fs.writeFileSync(`${directory}/source`, body);
    const part = await client.uploadPart("kept multi", uploadId, 1, `${directory}/source`, 0, body.length);
    await assert.rejects(client.completeMultipartUpload("kept multi", uploadId, [{ number: 1, etag: part.etag }], { callback: failing }), { code: "CallbackFailed", status: 203 });
    assert.deepEqual(await contentOf(client, "kept multi"), body);
  },

  // An address that is an IP, with and without the bucket in the path, and a name of the user's own.
  async addresses() {
    const ip = { endpoint: `http://127.0.0.1:${port}` };
    const own = { endpoint: `http://files.example.test:${port}`, cname: true };
    for (const [name, options] of Object.entries({ ip, sld: { ...ip, sldEnable: true }, "sld-name": { sldEnable: true }, cname: own })) {
      const client = connect(options);
      const key = `dir/${name} ü+`;
      const body = crypto.randomBytes(200 * KIB);
      await client.put(key, body);
      assert.deepEqual(await contentOf(client, key), body, name);
      assert.deepEqual((await client.list({ prefix: `dir/${name}` })).objects.map((entry) => entry.name).includes(key), true, name);
      await client.multipartUpload(`${key} multi`, body, { partSize: 100 * KIB });
      assert.deepEqual(await contentOf(client, `${key} multi`), body, name);
      await client.copy(`${key} copy`, key);
      await client.delete(key);
      await assert.rejects(client.get(key), { code: "NoSuchKey" });
    }
    assert.ok((await connect(ip).listBuckets({ prefix: bucket })).buckets.some((entry) => entry.name === bucket));
  },

  // Steps that a scenario of several clients asks for.
  async part() {
    const { key, uploadId, number, file, from, to } = settings;
    const { etag } = await connect().uploadPart(key, uploadId, number, file, from, to);
    return etag;
  },
  async digest() {
    const { content, res } = await connect().get(settings.key);
    return JSON.stringify({ md5: md5(content), crc64: res.headers["x-oss-hash-crc64ecma"], etag: res.headers.etag });
  },
};

console.log((await stories[story]()) ?? "story told");
