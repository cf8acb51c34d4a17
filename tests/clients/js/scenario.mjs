// The S3 story told with the AWS SDK for JavaScript: everything beyond endpoint, key and path style
// is the SDK's default.
import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { Readable } from "node:stream";
import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  CopyObjectCommand,
  CreateMultipartUploadCommand,
  DeleteObjectsCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListMultipartUploadsCommand,
  ListPartsCommand,
  paginateListObjectsV2,
  PutObjectCommand,
  S3Client,
  UploadPartCommand,
} from "@aws-sdk/client-s3";
import { Upload } from "@aws-sdk/lib-storage";

const [endpoint, Bucket, region, accessKeyId, secretAccessKey] = process.argv.slice(2);
const MIB = 1 << 20;
const client = new S3Client({ endpoint, region, credentials: { accessKeyId, secretAccessKey }, forcePathStyle: true });
const digest = (bytes) => createHash("sha256").update(bytes).digest("hex");
const read = async (Key, extra = {}) =>
  Buffer.from(await (await client.send(new GetObjectCommand({ Bucket, Key, ...extra }))).Body.transformToByteArray());

// A multipart upload by lib-storage, from a stream of unknown length.
const big = randomBytes(17 * MIB + 11);
const stream = Readable.from((function* () {
  for (let at = 0; at < big.length; at += 1_000_003) yield big.subarray(at, at + 1_000_003);
})());
const done = await new Upload({ client, params: { Bucket, Key: "big ü+", Body: stream }, partSize: 5 * MIB }).done();
assert.match(done.ETag, /-4"$/);
assert.equal(digest(await read("big ü+")), digest(big));
assert.deepEqual(await read("big ü+", { Range: "bytes=5242870-5242890" }), big.subarray(5242870, 5242891));

// Interrupted, looked up, continued by a client that knows only the upload id.
const { UploadId } = await client.send(new CreateMultipartUploadCommand({ Bucket, Key: "resumed" }));
await client.send(new UploadPartCommand({ Bucket, Key: "resumed", UploadId, PartNumber: 1, Body: big.subarray(0, 6 * MIB) }));
const uploads = await client.send(new ListMultipartUploadsCommand({ Bucket }));
assert.deepEqual(uploads.Uploads.map((upload) => upload.UploadId), [UploadId]);
const held = await client.send(new ListPartsCommand({ Bucket, Key: "resumed", UploadId }));
assert.deepEqual(held.Parts.map((part) => [part.PartNumber, part.Size]), [[1, 6 * MIB]]);
const second = await client.send(new UploadPartCommand({ Bucket, Key: "resumed", UploadId, PartNumber: 2, Body: big.subarray(6 * MIB) }));
await client.send(new CompleteMultipartUploadCommand({
  Bucket, Key: "resumed", UploadId,
  MultipartUpload: { Parts: [{ PartNumber: 1, ETag: held.Parts[0].ETag }, { PartNumber: 2, ETag: second.ETag }] },
}));
assert.equal(digest(await read("resumed")), digest(big));

// Aborted: nothing is left of it.
const aborted = await client.send(new CreateMultipartUploadCommand({ Bucket, Key: "aborted" }));
await client.send(new AbortMultipartUploadCommand({ Bucket, Key: "aborted", UploadId: aborted.UploadId }));
await assert.rejects(client.send(new ListPartsCommand({ Bucket, Key: "aborted", UploadId: aborted.UploadId })), { name: "NoSuchUpload" });

// Small objects: buffers, streams with a known length, metadata, copies.
await client.send(new PutObjectCommand({ Bucket, Key: "small", Body: "hello", Metadata: { a: "b" }, ContentType: "text/plain" }));
await client.send(new PutObjectCommand({ Bucket, Key: "streamed", Body: Readable.from([Buffer.alloc(3000, "x")]), ContentLength: 3000 }));
assert.equal((await read("streamed")).length, 3000);
await client.send(new PutObjectCommand({ Bucket, Key: "three-mib", Body: big.subarray(0, 3 * MIB) }));
assert.equal(digest(await read("three-mib")), digest(big.subarray(0, 3 * MIB)));
await client.send(new CopyObjectCommand({ Bucket, Key: "copied", CopySource: `${Bucket}/small` }));
const head = await client.send(new HeadObjectCommand({ Bucket, Key: "copied" }));
assert.deepEqual([head.ContentLength, head.ContentType, head.Metadata], [5, "text/plain", { a: "b" }]);
await assert.rejects(read("absent"), { name: "NoSuchKey" });

// Listed in pages and deleted.
const keys = [];
for await (const page of paginateListObjectsV2({ client, pageSize: 2 }, { Bucket })) keys.push(...page.Contents.map(({ Key }) => Key));
assert.deepEqual(keys, ["big ü+", "copied", "resumed", "small", "streamed", "three-mib"]);
const deleted = await client.send(new DeleteObjectsCommand({ Bucket, Delete: { Objects: keys.map((Key) => ({ Key })) } }));
assert.equal(deleted.Deleted.length, keys.length);
console.log("scenario complete");
