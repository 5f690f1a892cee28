/** A small WebDAV server in the process: what it keeps is to be seen, and any answer can be replaced. */

import type { ServerResponse } from 'node:http';
import { type Asked, ScriptedHTTP } from '../../support/scripted-http.ts';

export interface DAVOptions {
  /** Answers a request instead of the server; false leaves it to it. */
  override?: (asked: Asked, response: ServerResponse) => boolean;
  /** How the path of a resource is shown, as a proxy may do. */
  href?: (path: string) => string;
  /** The properties of a resource come in two groups, the unknown ones first, when a list of them is asked for. */
  split?: boolean;
  ranges?: boolean;
}

export class MemoryDAV {
  /** By decoded path. */
  readonly files = new Map<string, Buffer>();
  readonly collections = new Set<string>(['/dav']);
  readonly options: DAVOptions;
  #http: ScriptedHTTP | undefined;

  private constructor(options: DAVOptions) {
    this.options = options;
  }

  static async start(options: DAVOptions = {}): Promise<MemoryDAV> {
    const dav = new MemoryDAV(options);
    dav.#http = await ScriptedHTTP.start((asked, response) => {
      if (options.override?.(asked, response) !== true) dav.#answer(asked, response);
    });
    return dav;
  }

  get http(): ScriptedHTTP {
    if (this.#http === undefined) throw new Error('not started');
    return this.#http;
  }

  get endpoint(): string {
    return `${this.http.url}/dav`;
  }

  /** Methods and paths that were asked for. */
  get asked(): string[] {
    return this.http.asked.map(({ method, url }) => `${method} ${url}`);
  }

  #answer({ method, url, headers, body }: Asked, response: ServerResponse): undefined {
    const path = decodeURIComponent(url).replace(/(?<=.)\/$/, '');
    const end = (status: number, text: string | Buffer = '', more: Record<string, string> = {}): undefined => {
      response.writeHead(status, { 'Content-Length': String(Buffer.byteLength(text)), ...more }).end(text);
      return undefined;
    };
    const parent = path.replace(/\/[^/]*$/, '');
    switch (method) {
      case 'PROPFIND':
        return this.#propfind(path, headers.depth === '1', body.length > 0, end);
      case 'MKCOL':
        if (this.#has(path)) return end(405);
        if (!this.collections.has(parent)) return end(409);
        this.collections.add(path);
        return end(201);
      case 'PUT':
        if (!this.collections.has(parent)) return end(409);
        this.files.set(path, body);
        return end(201);
      case 'MOVE': {
        const target = decodeURIComponent(String(headers.destination).replace(/^https?:\/\/[^/]*/, ''));
        const source = this.files.get(path);
        if (source === undefined) return end(404);
        if (this.#has(target) && headers.overwrite === 'F') return end(412);
        this.files.delete(path);
        this.files.set(target, source);
        return end(201);
      }
      case 'DELETE':
        return end(this.files.delete(path) ? 204 : 404);
      case 'GET': {
        const file = this.files.get(path);
        if (file === undefined) return end(404, '<html>no</html>', { 'Content-Type': 'text/html' });
        const [, first, last] = /^bytes=(\d+)-(\d*)$/.exec(headers.range ?? '') ?? [];
        if (first === undefined || this.options.ranges === false) return end(200, file);
        if (Number(first) >= file.length) return end(416);
        const part = file.subarray(Number(first), last === '' ? undefined : Number(last) + 1);
        return end(206, part, { 'Content-Range': `bytes ${first}-${Number(first) + part.length - 1}/${file.length}` });
      }
      default:
        return end(501);
    }
  }

  #has(path: string): boolean {
    return this.files.has(path) || this.collections.has(path);
  }

  #propfind(
    path: string,
    isDeep: boolean,
    isListed: boolean,
    end: (status: number, text?: string, more?: Record<string, string>) => undefined,
  ): undefined {
    if (!this.#has(path)) return end(404);
    const children = [...this.files.keys(), ...this.collections].filter(
      (name) => name.startsWith(`${path}/`) && !name.slice(path.length + 1).includes('/'),
    );
    const shown = [path, ...(isDeep ? children : [])].map((name) => this.#describe(name, isListed));
    return end(207, `<?xml version="1.0"?><D:multistatus xmlns:D="DAV:">${shown.join('')}</D:multistatus>`, {
      'Content-Type': 'application/xml',
    });
  }

  #describe(path: string, isListed: boolean): string {
    const href = (this.options.href ?? ((shown) => shown))(path.split('/').map(encodeURIComponent).join('/'));
    const file = this.files.get(path);
    const known =
      file === undefined
        ? '<D:resourcetype><D:collection/></D:resourcetype>'
        : `<D:resourcetype/><D:getcontentlength>${file.length}</D:getcontentlength><D:getetag>&quot;${file.length}e5&quot;</D:getetag>`;
    const group = (status: string, properties: string) =>
      `<D:propstat><D:prop>${properties}</D:prop><D:status>HTTP/1.1 ${status}</D:status></D:propstat>`;
    const unknown = this.options.split === true && isListed ? group('404 Not Found', '<D:getlastmodified/>') : '';
    return `<D:response><D:href>${href}</D:href>${unknown}${group('200 OK', known)}</D:response>`;
  }
}
