// A Node consumer: amqplib, and pg with a prepared upsert a message.
import amqplib from 'amqplib'
import pg from 'pg'
import { upsertOf } from './upsert.mjs'

const pool = new pg.Pool({ connectionString: process.env.DATABASE_URL, max: 10 })
const connection = await amqplib.connect(process.env.AMQP_URL)
const channel = await connection.createChannel()
await channel.prefetch(100)
await channel.consume('session.write', async (message) => {
  await pool.query(upsertOf(JSON.parse(message.content.toString())))
  channel.ack(message)
})
