import { Agent, get } from 'node:http';

/** How long a customer waits for an answer: longer than any pause. */
const ANSWER_MS = 30_000;

/** Asks the token service, over one connection that stays. */
export class TokensClient implements Disposable {
  private readonly url: string;
  private readonly agent = new Agent({ keepAlive: true, maxSockets: 1 });

  /** @param url such as `http://10.83.1.11:7080` */
  constructor(url: string) {
    this.url = url;
  }

  /** A till begins an order. @returns the customer's token */
  begin(till: number, number: number, customer: number): Promise<string> {
    return this.ask(`/begin/${till}/${number}/${customer}`);
  }

  private ask<Answer>(path: string): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const request = get(`${this.url}${path}`, { agent: this.agent, timeout: ANSWER_MS }, (response) => {
        let text = '';
        response.setEncoding('utf8');
        response.on('data', (chunk: string) => {
          text += chunk;
        });
        response.on('error', reject);
        response.on('end', () => resolve(JSON.parse(text)));
      });
      request.on('timeout', () => request.destroy(new Error('the token service did not answer')));
      request.on('error', reject);
    });
  }

  [Symbol.dispose](): void {
    this.agent.destroy();
  }
}
