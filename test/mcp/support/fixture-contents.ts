/** The resources, prompts and plain tools that the conformance suite asks every test server for. */

import { setTimeout as sleep } from 'node:timers/promises';
import { completable, fromJsonSchema, type McpServer, ResourceTemplate, type ServerContext } from '@modelcontextprotocol/server';
import { z } from 'zod';

/** One red pixel, and a WAV file without samples. */
const PNG = 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJggg==';
const WAV = 'UklGRiQAAABXQVZFZm10IBAAAAABAAEAQB8AAEAfAAABAAgAZGF0YQAAAAA=';

const image = { type: 'image' as const, data: PNG, mimeType: 'image/png' };
export const textOf = (text: string) => ({ type: 'text' as const, text });
export const answer = (text: string) => ({ content: [textOf(text)] });

export function addPlainTools(server: McpServer): void {
  const tool = (name: string, content: () => object[]) =>
    server.registerTool(name, { description: 'Fixture of the conformance suite' }, () => ({ content: content() as never }));
  tool('test_simple_text', () => [textOf('This is a simple text response for testing.')]);
  tool('test_image_content', () => [image]);
  tool('test_audio_content', () => [{ type: 'audio', data: WAV, mimeType: 'audio/wav' }]);
  const embedded = { uri: 'test://embedded-resource', mimeType: 'text/plain', text: 'This is an embedded resource content.' };
  tool('test_embedded_resource', () => [{ type: 'resource', resource: embedded }]);
  const mixed = { uri: 'test://mixed-content-resource', mimeType: 'application/json', text: '{"test":"data","value":123}' };
  tool('test_multiple_content_types', () => [textOf('Multiple content types test:'), image, { type: 'resource', resource: mixed }]);
  server.registerTool('test_error_handling', { description: 'Fixture: fails' }, () => {
    throw new Error('This tool intentionally returns an error for testing');
  });
  addTellingTools(server);
  server.registerTool(
    'json_schema_2020_12_tool',
    { description: 'Tool with JSON Schema 2020-12 features', inputSchema: fromJsonSchema(SCHEMA_2020) },
    () => answer('ok'),
  );
}

function addTellingTools(server: McpServer): void {
  const logging = async (_: unknown, ctx: ServerContext) => {
    for (const line of ['Tool execution started', 'Tool processing data', 'Tool execution completed']) {
      await ctx.mcpReq.log('info', line);
      await sleep(50);
    }
    return answer('Logged three lines.');
  };
  const none = z.object({});
  server.registerTool('test_tool_with_logging', { description: 'Fixture: logs', inputSchema: none }, logging);
  server.registerTool('test_logging_tool', { description: 'Fixture: logs if asked', inputSchema: none }, logging);
  server.registerTool('test_tool_with_progress', { description: 'Fixture: reports progress', inputSchema: none }, async (_, ctx) => {
    const progressToken = ctx.mcpReq._meta?.progressToken;
    for (const progress of [0, 50, 100]) {
      if (progressToken !== undefined) {
        await ctx.mcpReq.notify({ method: 'notifications/progress', params: { progressToken, progress, total: 100 } });
      }
      await sleep(50);
    }
    return answer('Reported three times.');
  });
}

const SCHEMA_2020 = {
  $schema: 'https://json-schema.org/draft/2020-12/schema',
  type: 'object' as const,
  $defs: { address: { $anchor: 'addressDef', type: 'object', properties: { street: { type: 'string' }, city: { type: 'string' } } } },
  properties: {
    name: { type: 'string' },
    address: { $ref: '#/$defs/address' },
    contactMethod: { type: 'string', enum: ['phone', 'email'] },
    phone: { type: 'string' },
    email: { type: 'string' },
  },
  allOf: [{ anyOf: [{ required: ['phone'] }, { required: ['email'] }] }],
  if: { properties: { contactMethod: { const: 'phone' } }, required: ['contactMethod'] },
  // biome-ignore lint/suspicious/noThenProperty: a keyword of JSON Schema.
  then: { required: ['phone'] },
  else: { required: ['email'] },
  additionalProperties: false,
};

export function addResources(server: McpServer): void {
  const text = (uri: string, body: string, mimeType = 'text/plain') => ({ contents: [{ uri, mimeType, text: body }] });
  const about = (mimeType: string) => ({ description: 'Fixture of the conformance suite', mimeType });
  server.registerResource('static-text', 'test://static-text', about('text/plain'), ({ href }) =>
    text(href, 'This is the content of the static text resource.'),
  );
  server.registerResource('static-binary', 'test://static-binary', about('image/png'), ({ href }) => ({
    contents: [{ uri: href, mimeType: 'image/png', blob: PNG }],
  }));
  server.registerResource('watched', 'test://watched-resource', about('text/plain'), ({ href }) => text(href, 'Watched.'));
  const template = new ResourceTemplate('test://template/{id}/data', { list: undefined });
  server.registerResource('template', template, about('application/json'), ({ href }, { id }) =>
    text(href, JSON.stringify({ id, templateTest: true, data: `Data for ID: ${id}` }), 'application/json'),
  );
  server.server.setRequestHandler('resources/subscribe', () => ({}));
  server.server.setRequestHandler('resources/unsubscribe', () => ({}));
}

export function addPrompts(server: McpServer): void {
  const user = (content: object) => ({ role: 'user' as const, content: content as never });
  const description = 'Fixture of the conformance suite';
  server.registerPrompt('test_simple_prompt', { description }, () => ({
    messages: [user(textOf('This is a simple prompt for testing.'))],
  }));
  const word = completable(z.string(), (value) => ['paris', 'park', 'party'].filter((each) => each.startsWith(value)));
  server.registerPrompt(
    'test_prompt_with_arguments',
    { description, argsSchema: z.object({ arg1: word, arg2: z.string() }) },
    ({ arg1, arg2 }) => ({
      messages: [user(textOf(`Prompt with arguments: arg1='${arg1}', arg2='${arg2}'`))],
    }),
  );
  server.registerPrompt(
    'test_prompt_with_embedded_resource',
    { description, argsSchema: z.object({ resourceUri: z.string() }) },
    ({ resourceUri }) => ({
      messages: [
        user({ type: 'resource', resource: { uri: resourceUri, mimeType: 'text/plain', text: 'Embedded resource content for testing.' } }),
        user(textOf('Please process the embedded resource above.')),
      ],
    }),
  );
  server.registerPrompt('test_prompt_with_image', { description }, () => ({
    messages: [user(image), user(textOf('Please analyze the image above.'))],
  }));
}
