// Webhooks on disk, while the database is away. One file for each, complete or not there.
import { randomUUID } from 'node:crypto';
import { mkdir, open, readFile, readdir, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';

export class Spool {
    #directory;
    #limit;
    bytes = 0;
    files = 0;

    constructor(directory, limit) {
        this.#directory = directory;
        this.#limit = limit;
    }

    hasRoom() { return this.bytes < this.#limit; }

    async open() {
        await mkdir(this.#directory, { recursive: true, mode: 0o700 });
        for (const name of await readdir(this.#directory)) {
            const path = join(this.#directory, name);
            if (name.endsWith('.json')) this.#add((await stat(path)).size);
            else await rm(path); // its receiver died before it answered
        }
    }

    // Whether there was room. After that the delivery survives a crash of this machine.
    async keep(delivery) {
        const content = Buffer.from(JSON.stringify({ ...delivery, body: delivery.body.toString('base64') }));
        if (this.bytes + content.length > this.#limit) return false;
        const path = join(this.#directory, `${Date.now()}-${randomUUID()}`);
        this.#add(content.length); // before the first await: others count on it
        try {
            await this.#write(`${path}.new`, content);
            await rename(`${path}.new`, `${path}.json`);
            await this.#flushNames();
            return true;
        } catch (error) {
            await rm(`${path}.new`, { force: true });
            await this.#remove(`${path}.json`, content.length);
            throw error; // the disk is full, or broken
        }
    }

    // Gives each delivery to `ingest`, the oldest first, and forgets it if the answer is true.
    // A file that cannot be read holds up no other.
    async drain(ingest) {
        let fault;
        for (const name of (await readdir(this.#directory)).sort()) {
            if (!name.endsWith('.json')) continue;
            const path = join(this.#directory, name);
            const { delivery, bytes } = await this.#read(path).catch((error) => { fault = error; return {}; });
            if (delivery && await ingest(delivery)) await this.#remove(path, bytes);
        }
        if (fault) throw fault;
    }

    async #read(path) {
        const content = await readFile(path);
        const delivery = JSON.parse(content);
        delivery.body = Buffer.from(delivery.body, 'base64');
        return { delivery, bytes: content.length };
    }

    async #write(path, content) {
        const file = await open(path, 'wx', 0o600);
        try {
            await file.writeFile(content);
            await file.sync();
        } finally {
            await file.close();
        }
    }

    // A new name is on disk after a flush of its directory.
    async #flushNames() {
        const directory = await open(this.#directory);
        try {
            await directory.sync();
        } finally {
            await directory.close();
        }
    }

    async #remove(path, bytes) {
        await rm(path, { force: true });
        this.#add(-bytes);
    }

    #add(bytes) {
        this.bytes += bytes;
        this.files += Math.sign(bytes);
    }
}
